package filter

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"raftkv/cmd/logfilter/event"
)

// Nodes keeps events of these nodes.
func Nodes(nodes []string) Cond {
	is := func(node string) bool { return slices.Contains(nodes, node) }
	return Cond{
		Keep:     func(e *event.Event) bool { return is(e.Node) },
		Field:    "node",
		Accept:   func(v []byte) bool { return is(string(v)) },
		FromFile: is,
	}
}

// Topics keeps events of these topics, in any case: course projects write theirs
// in capitals.
func Topics(topics []string) Cond {
	is := func(topic string) bool {
		return slices.ContainsFunc(topics, func(t string) bool { return strings.EqualFold(t, topic) })
	}
	return Cond{
		Keep:   func(e *event.Event) bool { return is(e.Topic) },
		Field:  "topic",
		Accept: func(v []byte) bool { return is(string(v)) },
	}
}

// AtLeast keeps events of a level and above.
func AtLeast(least event.Level) Cond {
	return Cond{
		Keep:   func(e *event.Event) bool { return e.Level >= least },
		Field:  "level",
		Accept: func(v []byte) bool { return atLeast(v, least) },
	}
}

func atLeast(v []byte, least event.Level) bool {
	if len(v) == 0 || v[0] >= '0' && v[0] <= '9' {
		return true // a number: Keep knows
	}
	level, _ := event.ParseLevel(string(v))
	return level >= least
}

// Range is a range of numbers, both ends included.
type Range struct{ Lo, Hi uint64 }

// ParseRange reads 5, 5.., ..9 and 5..9.
func ParseRange(text string) (Range, error) {
	r := Range{0, 1<<64 - 1}
	lo, hi, open := strings.Cut(text, "..")
	var err error
	if lo != "" {
		r.Lo, err = strconv.ParseUint(lo, 10, 64)
	}
	if hi != "" && err == nil {
		r.Hi, err = strconv.ParseUint(hi, 10, 64)
	}
	if !open {
		r.Hi = r.Lo
	}
	if err != nil || lo == "" && hi == "" || r.Lo > r.Hi {
		return r, fmt.Errorf("%q is no number and no range such as 5, 5.., ..9, 5..9", text)
	}
	return r, nil
}

// Has reports whether n is in the range.
func (r Range) Has(n uint64) bool { return n >= r.Lo && n <= r.Hi }

// Numbers keeps events whose number is in one of the ranges. name is that of the
// number: group, term or index.
func Numbers(name string, ranges []Range, number func(*event.Event) event.Number) Cond {
	in := func(n uint64) bool {
		return slices.ContainsFunc(ranges, func(r Range) bool { return r.Has(n) })
	}
	return Cond{
		Keep: func(e *event.Event) bool {
			n := number(e)
			return n.Set && in(n.Value)
		},
		Field:  name,
		Accept: func(v []byte) bool { return acceptsNumber(v, in) },
	}
}

// acceptsNumber lets everything through that is not plain digits.
func acceptsNumber(v []byte, in func(uint64) bool) bool {
	n := uint64(0)
	if len(v) == 0 || len(v) > 19 {
		return true
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return true
		}
		n = n*10 + uint64(c-'0')
	}
	return in(n)
}

// Group, Term and Index choose the number for Numbers.
func Group(e *event.Event) event.Number { return e.Group }

// Term is the event's term.
func Term(e *event.Event) event.Number { return e.Term }

// Index is the event's index.
func Index(e *event.Event) event.Number { return e.Index }

// Attribute keeps events that have the value in an attribute of one of the
// names; a list of words there, or a JSON array, counts as each of them.
func Attribute(value string, names ...string) Cond {
	return Cond{
		Keep: func(e *event.Event) bool {
			found := false
			e.Attrs(func(name string, v event.Value) bool {
				found = slices.Contains(names, name) && holds(v.Text, value)
				return !found
			})
			return found
		},
		Literal: safeRun(value),
		Decoded: true,
	}
}

func holds(text, word string) bool {
	if text == word {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || r == ',' || r == '[' || r == ']' || r == '"'
	}), func(s string) bool { return s == word })
}

// safeRun returns the longest part of s that JSON has no other way to write than
// by \u00.. .
func safeRun(s string) string {
	best := ""
	for len(s) > 0 {
		n := 0
		for n < len(s) && s[n] >= ' ' && s[n] <= '~' && s[n] != '"' && s[n] != '\\' && s[n] != '/' {
			n++
		}
		if n > len(best) {
			best = s[:n]
		}
		s = s[min(n+1, len(s)):]
	}
	return best
}

// Grep keeps lines that match a regular expression, as they stand in the file;
// or, if not is set, those that do not.
func Grep(expr string, not bool) (Cond, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return Cond{}, err
	}
	literal, whole := re.LiteralPrefix()
	find := re.Match
	if text := []byte(literal); whole {
		find = func(line []byte) bool { return bytes.Contains(line, text) }
	}
	if not {
		return Cond{Keep: func(e *event.Event) bool { return !find(e.Raw) }}, nil
	}
	return Cond{Keep: func(e *event.Event) bool { return find(e.Raw) }, Literal: literal}, nil
}
