package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/fault"
	"raftkv/kv/pulse"
	"raftkv/shard"
)

// The board believes the newest term, forgets what a node no longer says, and a new
// leader goes on with what was known.
func TestBoard(t *testing.T) {
	b := newBoard(pulse.Portable(), func(uint64, kv.Event) {})
	b.begin(7, new(bulletin))
	b.enter(report{Node: "n1", Leads: map[uint32]uint64{1: 3, 2: 5}})
	b.enter(report{Node: "n2", Leads: map[uint32]uint64{1: 4}})
	b.enter(report{Node: "n1", Leads: map[uint32]uint64{1: 3, 2: 5}}) // n1 has not noticed
	now, changed := b.read()
	if now.Leaders[1] != (leading{"n2", 4}) || now.Leaders[2] != (leading{"n1", 5}) {
		t.Errorf("leaders are %v", now.Leaders)
	}
	b.enter(report{Node: "n2", Leads: map[uint32]uint64{1: 4}})
	select {
	case <-changed:
		t.Error("the same again is news")
	default:
	}
	b.enter(report{Node: "n1"})
	if after, _ := b.read(); after.Leaders[2].Node != "" || now.Leaders[2].Node != "n1" || after.Version == now.Version {
		t.Errorf("n1 leads nothing any more: %+v, before: %+v", after, now)
	}
	before, _ := b.read()
	b.begin(7, new(bulletin))
	if same, _ := b.read(); same != before {
		t.Error("the same term begins anew")
	}
	b.begin(8, now)
	fresh, _ := b.read()
	if len(fresh.Leaders) != 2 || fresh.Version <= before.Version {
		t.Errorf("a new leader begins with %+v after version %d", fresh, before.Version)
	}
	b.enter(report{Node: "n1"})
	if after, _ := b.read(); len(after.Leaders) != 1 || len(now.Leaders) != 2 {
		t.Errorf("when n1 has reported: %+v, before %+v", after, now)
	}
}

// Whoever waits for news gets them at once.
func TestBoardWakesThoseWhoWait(t *testing.T) {
	b := newBoard(pulse.Portable(), func(uint64, kv.Event) {})
	b.begin(1, new(bulletin))
	now, _ := b.read()
	got := make(chan *bulletin)
	go func() { got <- b.wait(context.Background(), now.Version) }()
	b.setDead([]string{"n3"}, emptyMap)
	select {
	case next := <-got:
		if len(next.Dead) != 1 {
			t.Errorf("the news are %+v", next)
		}
	case <-time.After(reportInterval / 2):
		t.Error("there are news and nobody wakes")
	}
}

// The board tells who leads, why, and who is silent, each once, whoever leads the
// controller.
func TestBoardTells(t *testing.T) {
	var got []string
	b := newBoard(pulse.Portable(), func(_ uint64, e kv.Event) { got = append(got, e.String()) })
	b.begin(7, new(bulletin))
	leads := func(node string, term uint64) {
		b.enter(report{Node: node, Leads: map[uint32]uint64{1: term}})
	}
	leads("n1", 3)
	leads("n1", 3)
	b.enter(report{Node: "n1"})
	leads("n1", 3) // it had only been silent
	leads("n2", 4)
	b.letLead(1, "n1", "n2 leads too many")
	leads("n1", 5)
	leads("n1", 6)
	m := &shard.Map{Nodes: []shard.Node{{ID: "n1"}, {ID: "n2"}}}
	b.setDead([]string{"n1", "n3"}, m)
	b.setDead([]string{"n1", "n3"}, m)
	leads("n2", 7)
	known, _ := b.read()
	b.begin(8, known)
	leads("n2", 7)
	b.setDead([]string{"n1", "n3"}, m)
	b.setDead(nil, m) // n3 is no node any more
	want := []string{
		"n1 leads group 1 in term 3",
		"n2 leads group 1 in term 4: elected; n1 led it in term 3",
		"n1 is to lead group 1: n2 leads too many",
		"n1 leads group 1 in term 5: as decided; n2 led it in term 4",
		"n1 leads group 1 in term 6: elected again; it led in term 5, too",
		"node n1 does not answer: silent for 3s",
		"node n3 does not answer: silent for 3s",
		"n2 leads group 1 in term 7: elected; n1, which led it in term 6, does not answer",
		"node n1 answers again",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A fault is told of once, whichever nodes have it and however often they say so.
func TestBoardTellsFaultsOnce(t *testing.T) {
	var got []string
	b := newBoard(pulse.Portable(), func(_ uint64, e kv.Event) { got = append(got, e.String()) })
	b.begin(1, new(bulletin))
	begin := fault.Event{Start: true, ID: "f1", Fault: "cut n1 n2"}
	b.hearFaults(report{Node: "n1", Faults: []fault.Event{begin}})
	b.hearFaults(report{Node: "n1", Faults: []fault.Event{begin}})
	b.hearFaults(report{Node: "n2", Faults: []fault.Event{begin, {ID: "f1", Fault: "cut n1 n2", Reason: "healed"}}})
	if want := []string{"fault f1 begins: cut n1 n2", "fault f1 ends: cut n1 n2: healed"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
