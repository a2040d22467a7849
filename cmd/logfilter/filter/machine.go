package filter

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"

	"raftkv/cmd/logfilter/event"
)

// Machine runs a Query over events, one at a time.
type Machine struct {
	query   *Query
	vm      vm.VM
	env     map[string]any
	event   *event.Event
	regexps map[string]*regexp.Regexp
}

// NewMachine returns a machine, or nil if there is no query.
func (q *Query) NewMachine() *Machine {
	if q == nil {
		return nil
	}
	m := &Machine{query: q, regexps: make(map[string]*regexp.Regexp)}
	m.env = map[string]any{
		fieldFunc:   func(args ...any) any { return m.field(args[0].(string)) },
		compareFunc: func(args ...any) any { return m.compare(args[0].(string), args[1], args[2]) },
	}
	return m
}

// Keep reports whether the query holds. An expression that makes no sense for a
// line, such as len(key) where there is no key, does not hold.
func (m *Machine) Keep(e *event.Event) bool {
	m.event = e
	out, err := m.vm.Run(m.query.program, m.env)
	kept, ok := out.(bool)
	return err == nil && ok && kept
}

func (m *Machine) field(name string) any {
	e := m.event
	switch name {
	case "time":
		return time.Unix(0, e.Time).UTC().Format("2006-01-02T15:04:05.000000000Z")
	case "level":
		if e.Level == event.NoLevel {
			return nil
		}
		return e.Level
	case "node":
		return e.Node
	case "topic":
		return e.Topic
	case "msg":
		return e.Msg
	case "raw":
		return string(e.Raw)
	case "group":
		return number(e.Group)
	case "term":
		return number(e.Term)
	case "index":
		return number(e.Index)
	}
	v, ok := e.Attr(name)
	switch {
	case !ok:
		return nil
	case v.Kind == event.Num:
		if n, err := strconv.Atoi(v.Text); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(v.Text, 64); err == nil {
			return f
		}
	case v.Kind == event.Other && v.Text == "true":
		return true
	case v.Kind == event.Other && v.Text == "false":
		return false
	case v.Kind == event.Other && v.Text == "null":
		return nil
	}
	return v.Text
}

func number(n event.Number) any {
	if !n.Set {
		return nil
	}
	return int(n.Value)
}

// compare is what an operator does.
func (m *Machine) compare(op string, a, b any) bool {
	switch {
	case op == "in":
		return m.in(a, b)
	case a == nil || b == nil: // a field that is not there
		return op == "==" && a == b || op == "!=" && a != b
	}
	if order, ok := order(a, b); ok {
		switch op {
		case "==":
			return order == 0
		case "!=":
			return order != 0
		case "<":
			return order < 0
		case "<=":
			return order <= 0
		case ">":
			return order > 0
		case ">=":
			return order >= 0
		}
	}
	x, y := textOf(a), textOf(b)
	switch op {
	case "!=":
		return x != y
	case "==":
		return x == y
	case "contains":
		return strings.Contains(x, y)
	case "startsWith":
		return strings.HasPrefix(x, y)
	case "endsWith":
		return strings.HasSuffix(x, y)
	case "matches":
		return m.matches(x, y)
	}
	return false
}

func (m *Machine) in(a, all any) bool {
	list, ok := all.([]any)
	if !ok {
		return false
	}
	for _, b := range list {
		if m.compare("==", a, b) {
			return true
		}
	}
	return false
}

func (m *Machine) matches(text, pattern string) bool {
	re, known := m.regexps[pattern]
	if !known {
		re, _ = regexp.Compile(pattern) // nil matches nothing; NewQuery has checked constants
		m.regexps[pattern] = re
	}
	return re != nil && re.MatchString(text)
}

// order compares levels by severity, numbers by size, durations by length, and
// other text by its bytes. It is not ok for what cannot be compared.
func order(a, b any) (int, bool) {
	if x, ok := a.(event.Level); ok {
		y, ok := event.ParseLevel(textOf(b))
		return int(x) - int(y), ok
	}
	if y, ok := b.(event.Level); ok {
		x, ok := event.ParseLevel(textOf(a))
		return int(x) - int(y), ok
	}
	x, ok1 := float(a)
	y, ok2 := float(b)
	if ok1 && ok2 {
		return sign(x - y), true
	}
	s, ok1 := a.(string)
	t, ok2 := b.(string)
	if !ok1 || !ok2 {
		return 0, false
	}
	if d, err := time.ParseDuration(s); err == nil {
		if f, err := time.ParseDuration(t); err == nil {
			return sign(float64(d - f)), true
		}
	}
	return strings.Compare(s, t), true
}

// float returns a number, or a text that is one: some loggers quote them.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

func sign(x float64) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case event.Level:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}
