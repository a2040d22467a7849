package check

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"raftkv/kv/history"
)

// Workload is a sort of operations.
type Workload string

// The workloads.
const (
	Registers    Workload = "register" // SET and DEL
	Swaps        Workload = "cas"      // SET IFEQ
	Increments   Workload = "counter"  // INCR
	Appends      Workload = "append"   // APPEND of tokens that nobody else appends
	Transactions Workload = "exec"     // MULTI, INCR, SET, GET, EXEC
	Deadlines    Workload = "expiry"   // SET PX
	Sessions     Workload = "session"  // SET, INCR and APPEND by RAFTKV.ONCE, again until there is an answer
	Proxied      Workload = "http"     // PUT and GET at any node, which has the leader execute them
	Followers    Workload = "follower" // reads of any node, after READONLY, by half of the clients
)

// Workloads lists them.
var Workloads = []Workload{Registers, Swaps, Increments, Appends, Transactions, Deadlines, Sessions, Proxied, Followers}

// ParseWorkloads reads a list such as "register,cas"; "all" is a list, too.
func ParseWorkloads(words []string) ([]Workload, error) {
	var out []Workload
	for _, word := range words {
		switch {
		case word == "all":
			out = append(out, Workloads...)
		case slices.Contains(Workloads, Workload(word)):
			out = append(out, Workload(word))
		default:
			return nil, fmt.Errorf("%q is no workload: there are all, %s", word, WorkloadNames())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// WorkloadNames lists the workloads for a person.
func WorkloadNames() string {
	var out []string
	for _, w := range Workloads {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}

// write is a command, or a transaction, that changes keys; one is a read that only
// its workload needs.
type write struct {
	workload Workload
	weight   int
	once     bool // in a session
	proxied  bool // by HTTP
	steps    func(c *client, t *tag, value string) []history.Step
}

var writes = []write{
	{Registers, 20, false, false, set},
	{Registers, 4, false, false, func(_ *client, t *tag, _ string) []history.Step {
		return []history.Step{{Kind: history.Delete, Key: t.register()}}
	}},
	{Swaps, 16, false, false, func(c *client, t *tag, value string) []history.Step {
		return []history.Step{{Kind: history.Swap, Key: t.register(), Old: c.last[t.register()], Value: value}}
	}},
	{Increments, 8, false, false, increment},
	{Transactions, 10, false, false, func(_ *client, t *tag, value string) []history.Step {
		return []history.Step{{Kind: history.Incr, Key: t.counter()}, {Kind: history.Set, Key: t.stamp(), Value: value}, {Kind: history.Get, Key: t.counter()}}
	}},
	{Appends, 5, false, false, appendToken},
	{Deadlines, 12, false, false, readLease},
	{Deadlines, 14, false, false, func(c *client, t *tag, value string) []history.Step {
		if t.leases.Add(1) > maxLeases {
			return readLease(c, t, value)
		}
		return []history.Step{{Kind: history.Set, Key: t.lease(), Value: value, TTL: 100 + c.rnd.Int64N(1500)}}
	}},
	{Proxied, 8, false, true, set},
	{Sessions, 8, true, false, set},
	{Sessions, 14, true, false, increment},
	{Sessions, 5, true, false, appendToken},
}

func set(_ *client, t *tag, value string) []history.Step {
	return []history.Step{{Kind: history.Set, Key: t.register(), Value: value}}
}

func increment(_ *client, t *tag, _ string) []history.Step {
	return []history.Step{{Kind: history.Incr, Key: t.counter()}}
}

func appendToken(_ *client, t *tag, value string) []history.Step {
	s := history.Step{Kind: history.Append, Key: t.list(), Value: value}
	t.tokens.Add(1)
	return []history.Step{s}
}

func readLease(_ *client, t *tag, _ string) []history.Step {
	return []history.Step{{Kind: history.Get, Key: t.lease()}}
}

// look is a key to read, and whose keys it is among.
type look struct {
	weight    int
	workloads []Workload
	key       func(*tag) string
}

var looks = []look{
	{3, []Workload{Registers, Swaps, Sessions, Proxied}, (*tag).register},
	{2, []Workload{Increments, Transactions, Sessions}, (*tag).counter},
	{1, []Workload{Appends, Sessions}, (*tag).list},
	{1, []Workload{Transactions}, (*tag).stamp},
	{1, []Workload{Deadlines}, (*tag).lease},
}

// mix is what the clients of a run do.
type mix struct {
	writes []write
	looks  []look
	roam   bool // half of the clients read from any node
	proxy  bool // a fourth of the other reads goes by HTTP
}

// newMix makes the mix of some workloads. Reads of followers alone would see
// nothing, so they come with registers.
func newMix(workloads []Workload) mix {
	m := mix{roam: slices.Contains(workloads, Followers), proxy: slices.Contains(workloads, Proxied)}
	if m.roam && len(workloads) == 1 {
		workloads = []Workload{Registers}
	}
	for _, w := range writes {
		if slices.Contains(workloads, w.workload) {
			m.writes = append(m.writes, w)
		}
	}
	for _, l := range looks {
		if slices.ContainsFunc(l.workloads, func(w Workload) bool { return slices.Contains(workloads, w) }) {
			m.looks = append(m.looks, l)
		}
	}
	return m
}

// draw chooses by weight.
func draw[T any](rnd *rand.Rand, from []T, weight func(*T) int) *T {
	total := 0
	for i := range from {
		total += weight(&from[i])
	}
	n := rnd.IntN(total)
	for i := range from {
		if n -= weight(&from[i]); n < 0 {
			return &from[i]
		}
	}
	panic("weights do not add up")
}
