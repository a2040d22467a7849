package check

import (
	"strings"
	"testing"
	"time"

	"raftkv/kv/history"
)

// op makes an operation of one step.
func op(call, end int64, s history.Step) history.Operation {
	o := history.Operation{Steps: []history.Step{s}, Call: call, Return: end}
	if end == history.Never {
		o.Unknown = true
	}
	return o
}

func final(key, got string) history.Operation {
	o := op(1000, 1001, history.Step{Kind: history.Get, Key: key, Found: got != "", Got: got})
	o.Note = Final
	return o
}

func TestAddingUp(t *testing.T) {
	incr := func(call, end int64) history.Operation {
		return op(call, end, history.Step{Kind: history.Incr, Key: "n"})
	}
	app := func(call, end int64, token string) history.Operation {
		return op(call, end, history.Step{Kind: history.Append, Key: "l", Value: token})
	}
	const never = history.Never
	for name, x := range map[string]struct {
		wrong string // checks that fail, beside the search's
		ops   []history.Operation
	}{
		"counted":                    {"", []history.Operation{incr(1, 2), incr(3, never), final("n", "1")}},
		"counted what was unknown":   {"", []history.Operation{incr(1, 2), incr(3, never), final("n", "2")}},
		"counted too much":           {Counters, []history.Operation{incr(1, 2), incr(3, never), final("n", "3")}},
		"lost an increment":          {Counters, []history.Operation{incr(1, 2), incr(3, 4), final("n", "1")}},
		"lost the counter":           {Counters, []history.Operation{incr(1, 2), final("n", "")}},
		"no number":                  {Counters, []history.Operation{incr(1, 2), final("n", "x")}},
		"all tokens":                 {"", []history.Operation{app(1, 2, "[0.1]"), app(3, never, "[0.2]"), final("l", "[0.1]")}},
		"a token that was unknown":   {"", []history.Operation{app(1, 2, "[0.1]"), app(3, never, "[0.2]"), final("l", "[0.2][0.1]")}},
		"a token twice":              {ExactlyOnce, []history.Operation{app(1, 2, "[0.1]"), final("l", "[0.1][0.1]")}},
		"a token of nobody":          {ExactlyOnce, []history.Operation{app(1, 2, "[0.1]"), final("l", "[0.1][7.7]")}},
		"a lost token":               {Acknowledged, []history.Operation{app(1, 2, "[0.1]"), app(3, 4, "[0.2]"), final("l", "[0.1]")}},
		"what was deleted is no sum": {"", []history.Operation{incr(1, 2), op(3, 4, history.Step{Kind: history.Delete, Key: "n", Found: true}), final("n", "")}},
		"no last read":               {"", []history.Operation{incr(1, 2)}},
	} {
		r := &Report{Checks: newChecks()}
		r.judge(1, x.ops, time.Minute, "")
		var wrong []string
		for _, c := range r.Checks {
			if c.Result == history.Violated && c.Name != Linearizable {
				wrong = append(wrong, c.Name)
			}
		}
		if got := strings.Join(wrong, ","); got != x.wrong {
			t.Errorf("%s: wrong is %q, want %q: %+v", name, got, x.wrong, r.Problems)
		}
	}
}

// A violation leaves its smallest part and a picture, and the file tells the same.
func TestViolation(t *testing.T) {
	set := func(call, end int64, value string) history.Operation {
		return op(call, end, history.Step{Kind: history.Set, Key: "x", Value: value})
	}
	get := func(call, end int64, value string) history.Operation {
		return op(call, end, history.Step{Kind: history.Get, Key: "x", Found: true, Got: value})
	}
	ops := []history.Operation{set(1, 2, "a"), set(3, 4, "b"), get(5, 6, "a"), get(7, 8, "b")}
	dir := t.TempDir()
	r := &Report{Checks: newChecks()}
	r.judge(1, ops, time.Minute, dir)
	r.conclude()
	if r.Result != history.Violated || len(r.Problems) != 1 || len(r.Problems[0].Part) != 3 {
		t.Fatalf("%s: %+v", r.Result, r.Problems)
	}
	if p := r.Problems[0]; p.File == "" || p.Picture == "" || !strings.Contains(p.Text, "get(x) -> a") {
		t.Errorf("%+v", p)
	}
	if again := Rejudge(ops, 0); again.Result != history.Violated {
		t.Errorf("judged again: %s", again.Result)
	}
	if again := Rejudge(ops[:2], 0); again.Result != history.Correct {
		t.Errorf("without the reads: %s", again.Result)
	}
	if empty := Rejudge(nil, 0); empty.Result != history.Undecided {
		t.Errorf("an empty history is judged %s", empty.Result)
	}
}

// A deadline ends a key no sooner than the time after its call, and no later than
// the time after its return.
func TestExpiry(t *testing.T) {
	c := &client{run: &run{skew: 5 * time.Millisecond}}
	set := op(int64(time.Second), int64(2*time.Second), history.Step{Kind: history.Set, Key: "x", Value: "a", TTL: 100})
	e, leased := c.expiry(&set)
	if !leased || e.Call != int64(1095*time.Millisecond) || e.Return != int64(2105*time.Millisecond) || e.Unknown {
		t.Errorf("%+v, %v", e, leased)
	}
	set.Forget()
	if e, _ = c.expiry(&set); !e.Unknown || e.Call != int64(1095*time.Millisecond) {
		t.Errorf("of a set whose outcome is unknown: %+v", e)
	}
	c.run.skew = time.Second
	if e, _ = c.expiry(&set); e.Call != set.Call {
		t.Errorf("it happens before its set was called: %+v", e)
	}
	plain := op(1, 2, history.Step{Kind: history.Set, Key: "x", Value: "a"})
	if _, leased = c.expiry(&plain); leased {
		t.Error("a key without a deadline expires")
	}
}
