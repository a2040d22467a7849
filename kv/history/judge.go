package history

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// Result is a verdict in a word.
type Result string

// The results.
const (
	Correct   Result = "correct"   // there is an order that explains every answer
	Violated  Result = "violated"  // there is none
	Undecided Result = "undecided" // the time was too short to tell
)

// Verdict is the judgement of some keys' operations.
type Verdict struct {
	Keys       []string // that operations touch together
	Result     Result
	Operations int
	Unknown    int // of them with unknown outcome
	// Smallest is, after a violation, the beginning of the history up to the first
	// answer that nothing explains, in the order of calls. What had not returned
	// by then stands in it as unknown.
	Smallest []Operation
}

// Judge finds out, for each set of keys that operations touch together, whether an
// order of them explains every answer. before is what keys held before the
// first operation; those that are not in it held nothing. Operations must not
// change meanwhile. patience bounds the search for each set of keys.
func Judge(ops []Operation, before map[string]string, patience time.Duration) []Verdict {
	var out []Verdict
	for _, part := range partition(ops) {
		out = append(out, part.judge(before, patience))
	}
	return out
}

// Worst returns the worst result of all verdicts.
func Worst(verdicts []Verdict) Result {
	worst := Correct
	for _, v := range verdicts {
		if v.Result == Violated || v.Result == Undecided && worst == Correct {
			worst = v.Result
		}
	}
	return worst
}

// part is the operations on keys that operations touch together.
type part struct {
	keys []string
	ops  []Operation
}

// partition splits a history. A violation in it lies in one of its parts.
func partition(ops []Operation) []*part {
	parent := make(map[string]string)
	var root func(string) string
	root = func(k string) string {
		if p, ok := parent[k]; ok && p != k {
			r := root(p)
			parent[k] = r
			return r
		}
		parent[k] = k
		return k
	}
	for i := range ops {
		for j := range ops[i].Steps {
			parent[root(ops[i].Steps[j].Key)] = root(ops[i].Steps[0].Key)
		}
	}
	byRoot := make(map[string]*part)
	for _, k := range slices.Sorted(maps.Keys(parent)) {
		p := byRoot[root(k)]
		if p == nil {
			p = new(part)
			byRoot[root(k)] = p
		}
		p.keys = append(p.keys, k)
	}
	for i := range ops {
		if len(ops[i].Steps) > 0 {
			p := byRoot[root(ops[i].Steps[0].Key)]
			p.ops = append(p.ops, ops[i])
		}
	}
	out := slices.Collect(maps.Values(byRoot))
	slices.SortFunc(out, func(a, b *part) int { return cmp.Compare(a.keys[0], b.keys[0]) })
	return out
}

func (p *part) judge(before map[string]string, patience time.Duration) Verdict {
	v := Verdict{Keys: p.keys, Operations: len(p.ops)}
	for i := range p.ops {
		if p.ops[i].Unknown {
			v.Unknown++
		}
	}
	start := make(contents)
	for _, k := range p.keys {
		if value, ok := before[k]; ok {
			start[k] = value
		}
	}
	if v.Result, _ = check(p.ops, start, patience, false); v.Result == Violated {
		v.Smallest = smallest(p.ops, start, patience)
	}
	return v
}

func check(ops []Operation, start contents, patience time.Duration, explain bool) (Result, porcupine.LinearizationInfo) {
	m := modelFrom(start)
	list := inputs(ops, start)
	var info porcupine.LinearizationInfo
	var result porcupine.CheckResult
	if explain {
		result, info = porcupine.CheckOperationsVerbose(m, list, patience)
	} else {
		result = porcupine.CheckOperationsTimeout(m, list, patience)
	}
	switch result {
	case porcupine.Ok:
		return Correct, info
	case porcupine.Illegal:
		return Violated, info
	}
	return Undecided, info
}

// smallest finds the first answer behind which no order explains the history,
// by halving: if the operations up to some answer are in no order, then more of
// them are not either.
func smallest(ops []Operation, start contents, patience time.Duration) []Operation {
	var ends []int64
	for i := range ops {
		if !ops[i].Unknown {
			ends = append(ends, ops[i].Return)
		}
	}
	slices.Sort(ends)
	n := sort.Search(len(ends), func(i int) bool {
		result, _ := check(until(ops, ends[i]), start, patience, false)
		return result == Violated
	})
	if n == len(ends) {
		return until(ops, Never)
	}
	return until(ops, ends[n])
}

// until returns what was known of a history at some time.
func until(ops []Operation, end int64) []Operation {
	var out []Operation
	for _, o := range ops {
		if o.Call > end {
			continue
		}
		if o.Return > end {
			o.Forget()
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
	return out
}

// Draw writes Porcupine's picture of some operations, usually Verdict.Smallest,
// to an HTML file.
func Draw(path string, ops []Operation, before map[string]string, patience time.Duration) error {
	_, info := check(ops, before, patience, true)
	return porcupine.VisualizePath(modelFrom(before), info, path)
}
