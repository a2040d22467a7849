package check

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"raftkv/kv/history"
)

func TestParseWorkloads(t *testing.T) {
	for text, want := range map[string][]Workload{
		"register,cas,register": {Swaps, Registers},
		"all":                   slices.Sorted(slices.Values(Workloads)),
		"all,http":              slices.Sorted(slices.Values(Workloads)),
	} {
		if got, err := ParseWorkloads(strings.Split(text, ",")); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "none", "counters"} {
		if got, err := ParseWorkloads([]string{text}); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What each workload alone does: kinds of steps that write or read, and how.
func TestMixes(t *testing.T) {
	const get, once, web, any = "get", "once", "http", "any node"
	for workload, want := range map[Workload][]string{
		Registers:    {"set", "delete", get},
		Swaps:        {"swap", get},
		Increments:   {"incr", get},
		Appends:      {"append", get},
		Transactions: {"exec", get},
		Deadlines:    {"set", get},
		Sessions:     {"set " + once, "incr " + once, "append " + once, get},
		Proxied:      {"set " + web, get, get + " " + web},
		Followers:    {"set", "delete", get, get + " " + any},
	} {
		config := Config{Clients: 2, Redis: []string{"a"}, HTTP: []string{"b"}}
		r := &run{config: config, mix: newMix([]Workload{workload})}
		w := newWindow(1, 1, 1)
		seen := make(map[string]bool)
		written := make(map[string]bool)
		c := &client{run: r, id: 1, rnd: rand.New(rand.NewPCG(1, 1)), last: make(map[string]string)}
		for range 500 {
			request := c.next(w)
			steps := request.op.Steps
			name := string(steps[0].Kind)
			if len(steps) > 1 {
				name = "exec"
			}
			seen[strings.TrimSpace(name+" "+request.op.Note)] = true
			for _, s := range steps {
				written[s.Key] = written[s.Key] || s.Kind != history.Get
			}
		}
		for _, name := range want {
			if !seen[name] {
				t.Errorf("%s never does %q", workload, name)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%s does %v, want %q", workload, seen, want)
		}
		for key, ok := range written {
			// Of the newest list a read may come before the first token.
			if !ok && !strings.Contains(key, "list") {
				t.Errorf("%s reads %s, which it never writes", workload, key)
			}
		}
	}
}

// An outage is from the first question to the first answer, whoever gets it.
func TestOutage(t *testing.T) {
	var o outage
	o.ask(10)
	o.ask(12)
	if gap := o.end(15, true); gap != 5 {
		t.Errorf("the first answer: %d", gap)
	}
	if gap := o.end(40, false); gap != 25 {
		t.Errorf("one gave up: %d", gap)
	}
	o.ask(50)
	if gap := o.end(55, true); gap != 40 {
		t.Errorf("somebody has asked since the answer before: %d", gap)
	}
	o.ask(100) // nobody had asked
	if gap := o.end(103, true); gap != 3 {
		t.Errorf("nobody waited before: %d", gap)
	}
}
