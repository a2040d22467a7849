package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	"raftkv/kv/history"
)

// Final marks the reads that are made when all clients have left the keys.
const Final = "final"

// judge judges the operations of one window, or of a whole history, and adds what it
// finds. dir is where it leaves what is wrong; empty: nowhere.
func (r *Report) judge(window int, ops []history.Operation, patience time.Duration, dir string) {
	r.enter(window, ops, examine(window, ops, patience, dir))
}

// examined is what the search for an order of some operations found.
type examined struct {
	sets      int // of keys that operations touch together
	problems  []Problem
	undecided []string // why
}

// examine searches for an order of the operations of a window. It may take patience
// for each set of keys, and touches no report: whoever reports goes on meanwhile.
func examine(window int, ops []history.Operation, patience time.Duration, dir string) examined {
	verdicts := history.Judge(ops, nil, patience)
	found := examined{sets: len(verdicts)}
	for _, v := range verdicts {
		switch v.Result {
		case history.Violated:
			found.problems = append(found.problems, explain(window, &v, patience, dir))
		case history.Undecided:
			found.undecided = append(found.undecided, fmt.Sprintf("%v was too short to judge %d operations, %d of them unknown, on %v", patience, v.Operations, v.Unknown, v.Keys))
		}
	}
	if len(found.undecided) > 0 {
		debug.FreeOSMemory() // a search that was given up leaves the most behind
	}
	return found
}

// enter adds a window and what was found in it to the report.
func (r *Report) enter(window int, ops []history.Operation, found examined) {
	r.Windows++
	for i := range ops {
		if ops[i].Unknown {
			r.Unknown++
		} else {
			r.Operations++
		}
	}
	r.counts.sets += found.sets
	for _, p := range found.problems {
		r.wrong(p)
	}
	for _, why := range found.undecided {
		r.undecided(Linearizable, why)
	}
	for _, l := range ledgers(ops) {
		l.judge(window, r)
	}
}

// explain tells of operations that no order explains.
func explain(window int, v *history.Verdict, patience time.Duration, dir string) Problem {
	last := "all of them"
	if n := len(v.Smallest); n > 0 {
		last = unexplained(v.Smallest)
	}
	p := Problem{Check: Linearizable, Window: window, Part: v.Smallest,
		Text: fmt.Sprintf("no order of the operations on %s explains %s", v.Keys[0], last)}
	const most = 60 // operations that a person may want to read
	if len(p.Part) > most {
		p.Part = p.Part[len(p.Part)-most:]
	}
	if dir == "" {
		return p
	}
	name := filepath.Join(dir, "violation-"+harmless.ReplaceAllString(v.Keys[0], "-"))
	p.File, p.Picture = name+".jsonl", name+".html"
	if err := writeFile(p.File, v.Smallest); err != nil {
		p.File, p.Text = "", p.Text+"; it could not be written: "+err.Error()
	}
	if err := history.Draw(p.Picture, v.Smallest, nil, patience); err != nil {
		p.Picture, p.Text = "", p.Text+"; it could not be drawn: "+err.Error()
	}
	return p
}

var harmless = regexp.MustCompile(`[^A-Za-z0-9]+`)

// unexplained returns the last answer of a smallest part, as text.
func unexplained(part []history.Operation) string {
	known := slices.DeleteFunc(slices.Clone(part), func(o history.Operation) bool { return o.Unknown })
	if len(known) == 0 {
		return "all of them"
	}
	last := slices.MaxFunc(known, func(a, b history.Operation) int { return int(a.Return - b.Return) })
	return fmt.Sprintf("%s, which %s answered client %d", &last, last.Node, last.Client)
}

func writeFile(path string, ops []history.Operation) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return history.Write(f, ops)
}

// ledger is what was tried on one counter or list, and what it held in the end.
type ledger struct {
	key          string
	acked, tried int            // increments
	tokens       map[string]int // of each token, 2 if it was acknowledged, 1 if it was tried
	final        *history.Step
	other        bool // something else was done to it, so nothing adds up
}

// ledgers sums up the operations of each key that was only ever added to.
func ledgers(ops []history.Operation) []*ledger {
	byKey := make(map[string]*ledger)
	var order []*ledger
	for i := range ops {
		o := &ops[i]
		for j := range o.Steps {
			s := &o.Steps[j]
			l := byKey[s.Key]
			if l == nil {
				l = &ledger{key: s.Key, tokens: make(map[string]int)}
				byKey[s.Key] = l
				order = append(order, l)
			}
			l.add(o, s)
		}
	}
	return slices.DeleteFunc(order, func(l *ledger) bool { return l.other || l.final == nil || l.tried+len(l.tokens) == 0 })
}

func (l *ledger) add(o *history.Operation, s *history.Step) {
	switch s.Kind {
	case history.Get:
		if o.Note == Final && !o.Unknown {
			l.final = s
		}
	case history.Incr:
		l.tried++
		if !o.Unknown {
			l.acked++
		}
	case history.Append:
		l.tokens[s.Value] = 2
		if o.Unknown {
			l.tokens[s.Value] = 1
		}
	default:
		l.other = true
	}
}

// token is what clients append: the client's number and the operation's.
var token = regexp.MustCompile(`\[[^\]]*\]`)

func (l *ledger) judge(window int, r *Report) {
	wrong := func(check, format string, args ...any) {
		r.wrong(Problem{Check: check, Window: window, Text: fmt.Sprintf("%s %s", l.key, fmt.Sprintf(format, args...))})
	}
	if l.tried > 0 {
		r.counts.counters++
		n := 0
		if _, err := fmt.Sscan(l.final.Got, &n); err != nil && l.final.Found {
			wrong(Counters, "holds %q, which is no number", l.final.Got)
		} else if n < l.acked || n > l.tried {
			wrong(Counters, "is %d in the end: %d increments were acknowledged and %d tried", n, l.acked, l.tried)
		}
		return
	}
	r.counts.tokens += len(l.tokens)
	seen := make(map[string]int)
	for _, t := range token.FindAllString(l.final.Got, -1) {
		seen[t]++
		switch {
		case l.tokens[t] == 0:
			wrong(ExactlyOnce, "has %s, which nobody appended", t)
		case seen[t] == 2:
			wrong(ExactlyOnce, "has %s twice, which was appended once", t)
		}
	}
	for t, state := range l.tokens {
		if state == 2 && seen[t] == 0 {
			wrong(Acknowledged, "lacks %s, whose append was acknowledged", t)
		}
	}
}
