package history

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"
)

// plainly judges as if a deadline were an operation like any other, which is what
// the history's file says that it is.
func plainly(ops []Operation) Result {
	var list []porcupine.Operation
	for i := range ops {
		if o := &ops[i]; !o.Unknown || o.Writes() {
			list = append(list, porcupine.Operation{ClientId: o.Client, Input: input{Operation: o}, Call: o.Call, Return: o.Return})
		}
	}
	if porcupine.CheckOperations(model, list) {
		return Correct
	}
	return Violated
}

// leased is what clients see of a key that is set with deadlines. Deadlines may be
// wrong by skew; each lasts for ten ticks.
func leased(rnd *rand.Rand, count int, skew int64) (ops []Operation) {
	held := ""
	due := map[int64]string{}
	for at := int64(0); at < int64(count); at++ {
		if v, found := due[at]; found && v == held {
			held = ""
		}
		call, end := at*100-rnd.Int64N(300), at*100+1+rnd.Int64N(300)
		if rnd.IntN(2) == 0 {
			ops = append(ops, get(call, end, "x", held))
			continue
		}
		held = fmt.Sprint(at)
		o, e := set(call, end, "x", held), expire(max(call, call+1000-skew), end+1000+skew, held)
		due[at+10+(rnd.Int64N(2*skew+1)-skew)/100] = held
		if rnd.IntN(10) == 0 {
			o.Forget()
			e.Forget()
		}
		ops = append(ops, o, e)
	}
	return ops
}

// What is put to the search another way has the same answer, whatever clients say
// they have seen.
func TestDeadlinesAreJudgedAsTheyAreTold(t *testing.T) {
	results := map[Result]int{}
	rapid.Check(t, func(rt *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		ops := leased(rnd, 14, []int64{0, 100, 600, 3000}[rnd.IntN(4)])
		for range rnd.IntN(3) { // wrong answers, mostly
			o := &ops[rnd.IntN(len(ops))]
			if s := &o.Steps[0]; s.Kind == Get {
				s.Got = []string{"", fmt.Sprint(rnd.IntN(14))}[rnd.IntN(2)]
				s.Found = s.Got != ""
			}
		}
		got, want := Worst(Judge(ops, nil, patience)), plainly(ops)
		if got != want {
			for _, o := range ops {
				rt.Logf("%d-%d %s", o.Call, o.Return, &o)
			}
			rt.Fatalf("judged %s, want %s", got, want)
		}
		results[got]++
	})
	if results[Correct] < 10 || results[Violated] < 10 {
		t.Errorf("histories were %v", results)
	}
}

// One SET that hangs for long, among many deadlines that are wide because clocks are
// wrong, is told at once; a run that lasts for hours meets it.
func TestManyDeadlinesAreJudgedSoon(t *testing.T) {
	var ops []Operation
	for i := range int64(60) {
		at, value := 100*i, fmt.Sprint(i)
		ops = append(ops, set(at, at+10, "x", value), expire(at, at+6000, value), get(at+20, at+30, "x", value))
	}
	ops = append(ops, set(105, 5955, "x", "hung"), expire(105, 12000, "hung"), get(5960, 5970, "x", "hung"))
	const soon = 10 * time.Second
	if got := Worst(Judge(ops, nil, soon)); got != Correct {
		t.Errorf("judged %s", got)
	}
	ops = append(ops, get(5980, 5990, "x", "3"))
	if got := Worst(Judge(ops, nil, soon)); got != Violated {
		t.Errorf("with an answer that nothing explains it is judged %s", got)
	}
}
