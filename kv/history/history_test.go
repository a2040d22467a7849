package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const patience = time.Minute

// op makes an operation of one step.
func op(call, end int64, s Step) Operation {
	o := Operation{Steps: []Step{s}, Call: call, Return: end}
	if end == Never {
		o.Unknown = true
	}
	return o
}

func set(call, end int64, key, value string) Operation {
	return op(call, end, Step{Kind: Set, Key: key, Value: value})
}

func get(call, end int64, key, value string) Operation {
	return op(call, end, Step{Kind: Get, Key: key, Found: value != "", Got: value})
}

func expire(call, end int64, value string) Operation {
	return op(call, end, Step{Kind: Expire, Key: "x", Value: value})
}

func TestVerdicts(t *testing.T) {
	incr := func(call, end, n int64) Operation { return op(call, end, Step{Kind: Incr, Key: "n", Number: n}) }
	app := func(call, end int64, value string, n int64) Operation {
		return op(call, end, Step{Kind: Append, Key: "l", Value: value, Number: n})
	}
	for name, x := range map[string]struct {
		want Result
		ops  []Operation
	}{
		"fresh read":               {Correct, []Operation{set(1, 2, "x", "a"), get(3, 4, "x", "a")}},
		"stale read":               {Violated, []Operation{set(1, 2, "x", "a"), set(3, 4, "x", "b"), get(5, 6, "x", "a")}},
		"read beside a write":      {Correct, []Operation{set(1, 2, "x", "a"), set(3, 6, "x", "b"), get(4, 5, "x", "a")}},
		"unknown write, seen late": {Correct, []Operation{set(1, Never, "x", "a"), get(2, 3, "x", ""), get(4, 5, "x", "a")}},
		"unknown write, undone":    {Violated, []Operation{set(1, Never, "x", "a"), get(2, 3, "x", "a"), get(4, 5, "x", "")}},
		"lost write":               {Violated, []Operation{set(1, 2, "x", "a"), get(3, 4, "x", "")}},
		"what was held before":     {Correct, []Operation{get(1, 2, "before", "old")}},
		"counted":                  {Correct, []Operation{incr(1, 2, 1), incr(3, 4, 2)}},
		"counted twice":            {Violated, []Operation{incr(1, 2, 1), incr(3, 4, 3)}},
		"unknown may count":        {Correct, []Operation{incr(1, Never, 0), incr(3, 4, 2)}},
		"appended":                 {Correct, []Operation{app(1, 5, "aa", 3), app(2, 4, "b", 1), get(6, 7, "l", "baa")}},
		"appended twice":           {Violated, []Operation{app(1, 2, "a", 1), get(3, 4, "l", "aa")}},
		"swapped":                  {Correct, []Operation{set(1, 2, "x", "a"), op(3, 4, Step{Kind: Swap, Key: "x", Old: "a", Value: "b", Found: true}), get(5, 6, "x", "b")}},
		"swapped what was not":     {Violated, []Operation{set(1, 2, "x", "a"), op(3, 4, Step{Kind: Swap, Key: "x", Old: "c", Value: "b", Found: true})}},
		"deleted twice":            {Violated, []Operation{set(1, 2, "x", "a"), op(3, 4, Step{Kind: Delete, Key: "x", Found: true}), op(5, 6, Step{Kind: Delete, Key: "x", Found: true})}},
		"half an exec": {Violated, []Operation{
			{Call: 1, Return: 4, Steps: []Step{{Kind: Set, Key: "x", Value: "1"}, {Kind: Set, Key: "y", Value: "1"}}},
			{Call: 2, Return: 3, Steps: []Step{{Kind: Get, Key: "x", Found: true, Got: "1"}, {Kind: Get, Key: "y"}}},
		}},
		"expired":                  {Correct, []Operation{set(1, 2, "x", "a"), expire(10, 12, "a"), get(3, 4, "x", "a"), get(11, 12, "x", ""), get(13, 14, "x", "")}},
		"expired too early":        {Violated, []Operation{set(1, 2, "x", "a"), expire(10, 12, "a"), get(3, 4, "x", "")}},
		"expired too late":         {Violated, []Operation{set(1, 2, "x", "a"), expire(10, 12, "a"), get(13, 14, "x", "a")}},
		"came back":                {Violated, []Operation{set(1, 2, "x", "a"), expire(3, Never, "a"), get(3, 4, "x", ""), get(5, 6, "x", "a")}},
		"outlived by another":      {Correct, []Operation{set(1, 2, "x", "a"), set(3, 4, "x", "b"), expire(10, 12, "a"), get(13, 14, "x", "b")}},
		"a kind that is not known": {Violated, []Operation{op(1, 2, Step{Kind: "fly", Key: "x"})}},
	} {
		if got := Worst(Judge(x.ops, map[string]string{"before": "old"}, patience)); got != x.want {
			t.Errorf("%s is judged %s, want %s", name, got, x.want)
		}
	}
}

// Keys that no operation touches together are judged apart.
func TestPartition(t *testing.T) {
	ops := []Operation{
		set(1, 2, "a", "1"), set(1, 2, "b", "1"), get(3, 4, "b", "2"),
		{Call: 1, Return: 2, Steps: []Step{{Kind: Get, Key: "c"}, {Kind: Get, Key: "d"}}},
		get(5, 6, "d", ""),
	}
	var got []string
	for _, v := range Judge(ops, nil, patience) {
		got = append(got, fmt.Sprintf("%v %d %s", v.Keys, v.Operations, v.Result))
	}
	if want := "[a] 1 correct|[b] 2 violated|[c d] 2 correct"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The smallest part ends with the answer that nothing explains.
func TestSmallest(t *testing.T) {
	ops := []Operation{set(1, 2, "x", "a"), set(3, 4, "x", "b"), get(5, 6, "x", "b"), set(7, 20, "x", "c"), get(8, 9, "x", "a"), get(10, 30, "x", "c"), set(31, 32, "x", "d")}
	v := Judge(ops, nil, patience)[0]
	if v.Result != Violated || len(v.Smallest) != 5 {
		t.Fatalf("%s, smallest %v", v.Result, v.Smallest)
	}
	if last := v.Smallest[4]; last.Steps[0].Got != "a" || !v.Smallest[3].Unknown || last.Unknown {
		t.Errorf("smallest is %v", v.Smallest)
	}
	path := filepath.Join(t.TempDir(), "x.html")
	before := map[string]string{"x": "what is seen first"}
	if err := Draw(path, append(v.Smallest, get(0, 0, "x", before["x"])), before, patience); err != nil {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	ops := []Operation{set(1, 2, "x", "a"), set(3, Never, "x", "b"), {Client: 2, Node: "n1", Note: "once", At: 5, Call: 4, Return: 5, Steps: []Step{{Kind: Incr, Key: "n", Number: 7}, {Kind: Get, Key: "y", Found: true, Got: "z"}}}}
	var b bytes.Buffer
	if err := Write(&b, ops); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil || !reflect.DeepEqual(got, ops) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"{}", "x", `{"steps":[{"op":"get","key":"a"}],"call":1,"return":2}{`} {
		if _, err := Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken for a history", bad)
		}
	}
}

// Whatever one object answers to concurrent clients is correct, and no longer if
// one answer is another.
func TestObjectIsCorrect(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var state contents
		var ops []Operation
		for i := range int64(30) {
			key := string(rune('a' + rnd.IntN(2)))
			s := Step{Kind: []Kind{Get, Set, Append, Delete}[rnd.IntN(4)], Key: key, Value: fmt.Sprint("<", i, ">")}
			held, found := state[key]
			s.Found, s.Number = found, int64(len(held)+len(s.Value))
			if s.Kind == Get {
				s.Got, s.Value = held, ""
			}
			at := 10 * i // where it takes effect, somewhere between call and return
			o := op(at-rnd.Int64N(25), at+1+rnd.Int64N(25), s)
			_, state = o.step(state)
			if o.Writes() && rnd.IntN(8) == 0 {
				o.Forget()
			}
			ops = append(ops, o)
		}
		if got := Worst(Judge(ops, nil, patience)); got != Correct {
			rt.Fatalf("judged %s", got)
		}
		ops = append(ops, get(1000, 1001, "a", "never written"))
		if got := Worst(Judge(ops, nil, patience)); got != Violated {
			rt.Fatalf("a value that was never written is judged %s", got)
		}
	})
}
