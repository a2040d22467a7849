package fault

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func nodes(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint("n", i+1))
	}
	return out
}

func mustParse(t interface{ Fatal(...any) }, line string) Fault {
	f, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sees lists which nodes hear a node.
func sees(f Fault, of string, all []string, period int64) (out []string) {
	for _, other := range all {
		if other != of && !f.cuts(of, other, period) {
			out = append(out, other)
		}
	}
	return out
}

// A shape is what its name says, whatever chance decides.
func TestShapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := nodes(rapid.IntRange(3, 9).Draw(t, "nodes"))
		leader := rapid.SampledFrom(all).Draw(t, "leader")
		world := World{Nodes: all, Leader: func(uint32) string { return leader }}
		seed := rapid.Uint64Range(1, 1000).Draw(t, "seed")
		resolve := func(line string) Fault {
			f, err := mustParse(t, fmt.Sprintf("%s seed %d", line, seed)).Resolve(world)
			if err != nil {
				t.Fatal(err)
			}
			if again := mustParse(t, f.String()); again.String() != f.String() {
				t.Fatalf("%s is told as %s", f, again)
			}
			return f
		}
		side := func(f Fault, node string) int { return 1 + len(sees(f, node, all, 0)) }
		majority := len(all)/2 + 1

		if f := resolve("isolate-leader 1"); side(f, leader) != 1 {
			t.Errorf("%s sees %v", leader, sees(f, leader, all, 0))
		}
		if f := resolve("minority 1"); side(f, leader) >= majority {
			t.Errorf("minority: the leader is with %d of %d", side(f, leader), len(all))
		}
		if f := resolve("majority 1"); side(f, leader) < majority || side(f, leader) == len(all) {
			t.Errorf("majority: the leader is with %d of %d", side(f, leader), len(all))
		}
		halves := resolve("halves")
		for _, n := range all {
			if k := side(halves, n); k != len(all)/2 && k != len(all)-len(all)/2 {
				t.Errorf("halves: %s is with %d of %d", n, k, len(all))
			}
		}
		seeAll := 0
		bridge := resolve("bridge")
		for _, n := range all {
			if side(bridge, n) == len(all) {
				seeAll++
			}
		}
		if seeAll != 1 {
			t.Errorf("bridge: %d nodes see all", seeAll)
		}
		if len(all) >= 4 {
			ring := resolve("ring")
			for _, n := range all {
				if side(ring, n) != 3 {
					t.Errorf("ring: %s sees %v", n, sees(ring, n, all, 0))
				}
			}
		}
		flapping, cut, whole := resolve("flapping"), false, false
		for period := range int64(60) {
			for _, n := range all {
				seen := sees(flapping, n, all, period)
				cut, whole = cut || len(seen) < len(all)-1, whole || len(seen) == len(all)-1
				for _, m := range seen {
					if !slices.Contains(sees(flapping, m, all, period), n) {
						t.Fatalf("flapping: %s sees %s in one direction", n, m)
					}
				}
			}
		}
		if !cut || !whole {
			t.Errorf("flapping: cut %v, whole %v", cut, whole)
		}
	})
}

func TestResolveRefuses(t *testing.T) {
	world := World{Nodes: nodes(3), Leader: func(uint32) string { return "" }}
	for line, says := range map[string]string{
		"cut n1 n9":        "there is no node \"n9\"",
		"split n1 n2,n7":   "there is no node \"n7\"",
		"ring":             "four are needed",
		"isolate-leader 2": "nobody is known to lead group 2",
		"minority":         "nobody is known to lead group 0",
	} {
		if f, err := mustParse(t, line).Resolve(world); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %s, %v", line, f, err)
		}
	}
	if _, err := mustParse(t, "halves").Resolve(World{Nodes: nodes(1)}); err == nil {
		t.Error("one node has two halves")
	}
}

func TestDirections(t *testing.T) {
	for line, cut := range map[string]string{ // which of these are cut
		"cut n1 n2":               "12 21",
		"cut n1 n2 one-way":       "12",
		"cut n1":                  "12 13 21 31",
		"isolate n1 one-way":      "12 13",
		"split n1 n2,n3":          "12 13 21 31",
		"split n1 n2,n3 one-way":  "12 13",
		"delay n1 n2 1s":          "",
		"cut n2 n3 one-way reset": "23",
	} {
		f := mustParse(t, line)
		var got []string
		for _, link := range []string{"12", "13", "21", "23", "31", "32"} {
			if f.cuts("n"+link[:1], "n"+link[1:], 0) {
				got = append(got, link)
			}
		}
		if strings.Join(got, " ") != cut {
			t.Errorf("%s cuts %v, want %s", line, got, cut)
		}
	}
}
