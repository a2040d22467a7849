package simulation

import (
	"fmt"
	"strconv"
	"strings"

	"raftkv/kv/history"
)

// judge finds violations in what clients saw. It takes real time, and is called
// outside of the bubble.
func (s *sim) judge() {
	for i, w := range s.windows {
		s.count(i, w)
		for _, v := range history.Judge(w.ops, w.before, judgePatience) {
			switch v.Result {
			case history.Violated:
				last := v.Smallest[len(v.Smallest)-1]
				for _, o := range v.Smallest {
					if !o.Unknown && o.Return > last.Return {
						last = o
					}
				}
				s.condemn("window %d: no order explains what %v answered: %d operations (%d unknown) up to client %d at %.3fs by %s: %s",
					i, v.Keys, len(v.Smallest), v.Unknown, last.Client, float64(last.At)/1e9, last.Node, last.String())
				s.journal.violation(v, w.before)
			case history.Undecided:
				s.undecided++
				s.journal.line("no verdict on " + strings.Join(v.Keys, " "))
			}
		}
	}
}

// count compares counters and lists with what was attempted and acknowledged:
// the cheap part of the judgement, which does not depend on any search.
func (s *sim) count(number int, w judged) {
	acknowledged, attempted := make(map[string]int), make(map[string]int)
	tokens := make(map[string]int) // how often they may be in a list
	for i := range w.ops {
		for _, step := range w.ops[i].Steps {
			switch step.Kind {
			case history.Incr:
				attempted[step.Key]++
				if !w.ops[i].Unknown {
					acknowledged[step.Key]++
				}
			case history.Append:
				tokens[step.Value]++
			}
		}
	}
	for _, key := range s.keys() {
		switch before, after := w.before[key], w.after[key]; {
		case strings.HasSuffix(key, "n"):
			from, _ := strconv.Atoi(before)
			to, _ := strconv.Atoi(after)
			if n := to - from; n < acknowledged[key] || n > attempted[key] {
				s.condemn("window %d: %s went up by %d, of %d attempted and %d acknowledged", number, key, n, attempted[key], acknowledged[key])
			}
		case strings.HasSuffix(key, "l"):
			for token := range strings.SplitAfterSeq(after, "]") {
				if n := strings.Count(after, token); token != "" && n > 1 {
					s.condemn("window %d: %s is %d times in %s", number, token, n, key)
				}
			}
		}
	}
}

// condemn notes a violation that the judgement found.
func (s *sim) condemn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.journal.line("VIOLATION " + text)
	s.violations = append(s.violations, text)
}
