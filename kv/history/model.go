package history

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
	"github.com/cespare/xxhash/v2"
)

// contents is what some keys hold; those that are not in it hold nothing. It is
// replaced, never changed.
type contents map[string]string

// model is a few keys as one sequential object. Its inputs are of type input.
var model = porcupine.Model{
	Init: func() any { return contents(nil) },
	Step: func(s, in, _ any) (bool, any) {
		ok, next := in.(input).step(s.(contents))
		return ok, next
	},
	Equal:             func(a, b any) bool { return maps.Equal(a.(contents), b.(contents)) },
	Hash:              func(s any) uint64 { return s.(contents).hash() },
	DescribeOperation: func(in, _ any) string { return in.(input).String() },
	DescribeState:     func(s any) string { return s.(contents).String() },
}

// modelFrom returns the model of keys that hold something at first.
func modelFrom(start contents) porcupine.Model {
	m := model
	m.Init = func() any { return start }
	return m
}

func (c contents) hash() (sum uint64) {
	for k, v := range c {
		sum += xxhash.Sum64String(k + "\x00" + v)
	}
	return sum
}

func (c contents) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c)) {
		if k == unseen || k == closed {
			continue
		}
		parts = append(parts, k+"="+c[k])
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// step tells whether the operation could have been answered so in state c, and
// the state behind it.
func (o *Operation) step(c contents) (bool, contents) {
	shared := true // with other states
	put := func(key, value string) {
		if shared {
			if c = maps.Clone(c); c == nil {
				c = make(contents)
			}
			shared = false
		}
		c[key] = value
	}
	for i := range o.Steps {
		s := &o.Steps[i]
		held, found := c[s.Key]
		ok := true
		switch s.Kind {
		case Get:
			ok = s.Found == found && s.Got == held
		case Set:
			put(s.Key, s.Value)
		case Append:
			ok = s.Number == int64(len(held)+len(s.Value))
			put(s.Key, held+s.Value)
		case Swap:
			swaps := found && held == s.Old
			ok = s.Found == swaps
			if swaps {
				put(s.Key, s.Value)
			}
		case Delete:
			ok = s.Found == found
			if found {
				put(s.Key, "")
				delete(c, s.Key)
			}
		case Expire:
			if found && held == s.Value {
				put(s.Key, "")
				delete(c, s.Key)
			}
		case Incr:
			n, err := strconv.ParseInt(held, 10, 64)
			if err != nil && found {
				return false, c // keys of counters hold numbers
			}
			ok = s.Number == n+1
			put(s.Key, strconv.FormatInt(n+1, 10))
		default:
			return false, c
		}
		if !ok && !o.Unknown {
			return false, c
		}
	}
	return true, c
}

// String shows an operation to people.
func (o *Operation) String() string {
	var parts []string
	for i := range o.Steps {
		parts = append(parts, o.Steps[i].text(o.Unknown))
	}
	text := strings.Join(parts, "; ")
	if len(parts) > 1 {
		text = "exec{" + text + "}"
	}
	if o.Note != "" {
		text += " (" + o.Note + ")"
	}
	return text
}

func (s *Step) text(unknown bool) string {
	text := fmt.Sprintf("%s(%s", s.Kind, s.Key)
	if s.Kind == Swap {
		text += ", " + s.Old
	}
	if s.Value != "" {
		text += ", " + s.Value
	}
	if s.TTL > 0 {
		text += fmt.Sprintf(", %d ms", s.TTL)
	}
	text += ")"
	switch {
	case s.Kind == Expire:
		return text
	case unknown:
		return text + " -> ?"
	case s.Kind == Get && !s.Found:
		return text + " -> nil"
	case s.Kind == Get:
		return text + " -> " + s.Got
	case s.Kind == Append, s.Kind == Incr:
		return text + fmt.Sprintf(" -> %d", s.Number)
	case s.Kind == Swap, s.Kind == Delete:
		return text + fmt.Sprintf(" -> %v", s.Found)
	}
	return text
}
