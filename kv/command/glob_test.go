package command

import (
	"strings"
	"testing"
	"time"
)

// element is one byte's worth of a pattern, or a star.
type element struct {
	star bool
	set  [256]bool
}

// elements reads a pattern into what each position accepts, for matchSlowly.
func elements(pattern []byte) (out []element) {
	for i := 0; i < len(pattern); i++ {
		var e element
		switch c := pattern[i]; {
		case c == '*':
			e.star = true
		case c == '?':
			for b := range e.set {
				e.set[b] = true
			}
		case c == '[':
			i++
			inverted := i < len(pattern) && pattern[i] == '^'
			if inverted {
				i++
			}
			for i < len(pattern) && pattern[i] != ']' {
				rest := pattern[i:]
				switch {
				case rest[0] == '\\' && len(rest) > 1:
					e.set[rest[1]] = true
					i += 2
				case len(rest) > 2 && rest[1] == '-':
					for b := int(min(rest[0], rest[2])); b <= int(max(rest[0], rest[2])); b++ {
						e.set[b] = true
					}
					i += 3
				default:
					e.set[rest[0]] = true
					i++
				}
			}
			for b := range e.set {
				e.set[b] = e.set[b] != inverted
			}
		case c == '\\' && i+1 < len(pattern):
			i++
			e.set[pattern[i]] = true
		default:
			e.set[c] = true
		}
		out = append(out, e)
	}
	return out
}

// matchSlowly keeps the set of positions that s can have reached.
func matchSlowly(pattern, s []byte) bool {
	reached := map[int]bool{0: true}
	for _, e := range elements(pattern) {
		next := map[int]bool{}
		for at := range reached {
			switch {
			case e.star:
				for to := at; to <= len(s); to++ {
					next[to] = true
				}
			case at < len(s) && e.set[s[at]]:
				next[at+1] = true
			}
		}
		reached = next
	}
	return reached[len(s)]
}

func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""}, {"h?llo", "hello"}, {"h[^a-c]*o", "hello"}, {`\*`, "*"}, {`[\]]`, "]"}, {"[", "["}, {"[^", "x"}, {"a[b-", "ab"}, {"**a**b", "xaxb"}, {`\`, `\`}, {"[z-a]", "m"}, {"[a-]]", "]"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, pattern, s []byte) {
		if len(pattern) > 100 || len(s) > 100 {
			t.Skip("the slow way takes too long")
		}
		if got, want := Match(pattern, s), matchSlowly(pattern, s); got != want {
			t.Errorf("Match(%q, %q) = %v", pattern, s, got)
		}
	})
}

// Patterns that take exponential time in a naive matcher, from anyone who may
// send KEYS.
func TestMatchIsNeverSlow(t *testing.T) {
	began := time.Now()
	pattern := []byte(strings.Repeat("a*", 1000) + "b")
	if Match(pattern, []byte(strings.Repeat("a", 5000))) {
		t.Error("matched without a b")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
