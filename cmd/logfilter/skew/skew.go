// Package skew finds clocks that are wrong: raft's own order says that a message is
// sent before it arrives, and that a term begins with a candidate. Where logs say the
// reverse, their clocks differ.
package skew

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
)

const (
	// least is a difference of clocks that is worth a word: lines may be written a
	// little after what they tell of.
	least = int64(time.Millisecond)
	// mostOpen is how many messages may wait for their other lines.
	mostOpen = 20000
)

// Watcher looks at lines in whatever order they come.
type Watcher struct {
	open  map[message]*times
	pairs map[[2]string]*pair
	terms map[termKey]*term
}

type message struct {
	node   string
	number uint64
}

type times struct {
	peer                               string
	sent, received, answered, returned int64
}

// pair is what messages from one node to another tell of their clocks.
type pair struct {
	wrong int   // messages that arrive before they are sent, or whose answers do
	first int64 // when the first of those was sent
	// offset is by how much the second node's clock is ahead, from the message that
	// was quickest there and back (as NTP does); it may be wrong by half of delay.
	offset, delay int64
	measured      bool
	lead          int64 // by how much a term was seen too early
}

type termKey struct{ group, term uint64 }

// term is when a term was first seen: by its candidates, and by others.
type term struct {
	candidate  string
	asked      int64
	witness    string
	seen       int64
	candidates []string
}

// New returns a watcher.
func New() *Watcher {
	return &Watcher{open: make(map[message]*times), pairs: make(map[[2]string]*pair), terms: make(map[termKey]*term)}
}

// Event looks at a line.
func (w *Watcher) Event(e *event.Event) {
	switch {
	case !e.HasTime:
	case e.Level == event.Trace:
		w.message(e)
	case e.Term.Set && e.Group.Set:
		w.term(e)
	}
}

func (w *Watcher) message(e *event.Event) {
	way, there := e.Attr("way")
	if !there {
		return
	}
	peer, _ := e.Attr("peer")
	n, _ := e.Attr("message")
	number, _ := strconv.ParseUint(n.Text, 10, 64)
	key := message{e.Node, number}
	other := peer.Text
	if way.Text == "received" || way.Text == "answered" {
		key.node, other = peer.Text, e.Node
	}
	t := w.open[key]
	if t == nil {
		if len(w.open) >= mostOpen {
			clear(w.open)
		}
		key.node = strings.Clone(key.node)
		t = &times{peer: strings.Clone(other)}
		w.open[key] = t
	}
	switch way.Text {
	case "sent":
		t.sent = e.Time
	case "received":
		t.received = e.Time
	case "answered":
		t.answered = e.Time
	case "returned":
		if _, failed := e.Attr("error"); failed { // nobody waits for its answer any more
			delete(w.open, key)
			return
		}
		t.returned = e.Time
	}
	if t.sent != 0 && t.received != 0 && t.answered != 0 && t.returned != 0 {
		w.sample(key.node, t)
		delete(w.open, key)
	}
}

func (w *Watcher) pair(from, to string) *pair {
	p := w.pairs[[2]string{from, to}]
	if p == nil {
		p = &pair{}
		w.pairs[[2]string{from, to}] = p
	}
	return p
}

func (w *Watcher) sample(from string, t *times) {
	p := w.pair(from, t.peer)
	if t.received < t.sent || t.returned < t.answered {
		if p.wrong == 0 {
			p.first = t.sent
		}
		p.wrong++
	}
	delay := (t.returned - t.sent) - (t.answered - t.received)
	if !p.measured || delay < p.delay {
		p.offset, p.delay, p.measured = ((t.received-t.sent)+(t.answered-t.returned))/2, delay, true
	}
}

// mostTerms bounds the terms that are remembered.
const mostTerms = 10000

func (w *Watcher) term(e *event.Event) {
	key := termKey{e.Group.Value, e.Term.Value}
	t := w.terms[key]
	if t == nil {
		if len(w.terms) >= mostTerms {
			clear(w.terms)
		}
		t = &term{}
		w.terms[key] = t
	}
	if e.Msg == "entering candidate state" || e.Msg == "election won" {
		if t.asked == 0 || e.Time < t.asked {
			t.asked, t.candidate = e.Time, strings.Clone(e.Node)
		}
		if !slices.Contains(t.candidates, e.Node) {
			t.candidates = append(t.candidates, strings.Clone(e.Node))
		}
		return
	}
	if t.seen == 0 || e.Time < t.seen {
		t.seen, t.witness = e.Time, strings.Clone(e.Node)
	}
}

// Warning is a clock that is wrong.
type Warning struct {
	Node  string
	Ahead time.Duration // negative: it is behind
	Of    []string      // the nodes whose clocks it differs from
	Proof string
}

func (x Warning) String() string {
	direction, by := "ahead of", x.Ahead
	if by < 0 {
		direction, by = "behind", -by
	}
	sign := "-"
	if x.Ahead < 0 {
		sign = "+"
	}
	return fmt.Sprintf("%s's clock is about %s %s %s's: %s; --skew %s=%s%s corrects it", x.Node, by, direction, strings.Join(x.Of, "'s and "), x.Proof, x.Node, sign, by)
}

// Warnings returns the clocks that raft's order proves wrong, by name.
func (w *Watcher) Warnings() []Warning {
	offsets := make(map[string]map[string]int64) // by how much the second is ahead
	set := func(from, to string, by int64) {
		if offsets[from] == nil {
			offsets[from] = make(map[string]int64)
		}
		offsets[from][to] = by
	}
	wrong := make(map[string]int)
	delays := make(map[[2]string]int64)
	for nodes, p := range w.pairs {
		back := w.pairs[[2]string{nodes[1], nodes[0]}]
		if p.measured && (back == nil || !back.measured || p.delay <= back.delay) {
			set(nodes[0], nodes[1], p.offset)
			set(nodes[1], nodes[0], -p.offset)
			delays[nodes] = p.delay
		}
		wrong[nodes[0]] += p.wrong
		wrong[nodes[1]] += p.wrong
	}
	early := w.early(offsets, set)
	var nodes []string
	for node := range offsets {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	var out []Warning
	for _, node := range nodes {
		by, of := against(node, offsets)
		if len(of) == 0 || abs(by) < least || wrong[node] == 0 && !early[node] {
			continue
		}
		// Of two nodes nobody can say which is wrong: the first is taken to be right.
		if len(offsets) == 2 && node == nodes[0] {
			continue
		}
		proof := fmt.Sprintf("%d messages arrive before they were sent", wrong[node])
		if wrong[node] == 0 {
			proof = "it tells of a term before its candidate does"
		}
		out = append(out, Warning{node, rough(time.Duration(by)), of, proof})
	}
	return out
}

// early adds what terms tell of nodes whose messages tell nothing.
func (w *Watcher) early(offsets map[string]map[string]int64, set func(string, string, int64)) map[string]bool {
	early := make(map[string]bool)
	for _, t := range w.terms {
		if t.asked == 0 || t.seen == 0 || t.asked-t.seen < least || slices.Contains(t.candidates, t.witness) {
			continue
		}
		if _, measured := offsets[t.candidate][t.witness]; measured {
			continue
		}
		by := t.asked - t.seen
		if p := w.pair(t.candidate, t.witness); by > p.lead {
			p.lead = by
		}
	}
	for nodes, p := range w.pairs {
		if p.lead > 0 {
			set(nodes[0], nodes[1], p.lead)
			set(nodes[1], nodes[0], -p.lead)
			early[nodes[1]] = true
		}
	}
	return early
}

// against returns by how much a node's clock is ahead of most others', and which
// those are.
func against(node string, offsets map[string]map[string]int64) (by int64, of []string) {
	type other struct {
		node string
		by   int64
	}
	var all []other
	for from, to := range offsets {
		if ahead, known := to[node]; known {
			all = append(all, other{from, ahead})
		}
	}
	slices.SortFunc(all, func(a, b other) int { return cmp.Or(cmp.Compare(abs(a.by), abs(b.by)), cmp.Compare(a.node, b.node)) })
	if len(all) == 0 {
		return 0, nil
	}
	// The smaller half agrees with the node if it is right.
	by = all[(len(all)-1)/2].by
	for _, o := range all {
		if abs(o.by-by) < max(least, abs(by)/4) {
			of = append(of, o.node)
		}
	}
	slices.Sort(of)
	return by, of
}

func abs(n int64) int64 { return max(n, -n) }

// rough keeps two or three digits.
func rough(d time.Duration) time.Duration {
	for unit := time.Microsecond; unit < time.Hour; unit *= 10 {
		if d < 1000*unit && d > -1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}
