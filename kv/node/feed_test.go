package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
)

// mapEvent and otherEvent are events of the two sorts, at a ms.
func mapEvent(epoch uint64, ms int64) kv.Event {
	return kv.Event{Epoch: epoch, Time: eventTime(ms), Text: fmt.Sprint("map ", epoch)}
}

func otherEvent(seq uint64, ms int64) kv.Event {
	return kv.Event{Seq: seq, Time: eventTime(ms), Text: fmt.Sprint("other ", seq)}
}

func texts(events []kv.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, e.Text)
	}
	return strings.Join(out, ", ")
}

// Each event is taken once, and both sorts come in the order of their times. Who
// goes on from the id of an event, on whatever node, misses and repeats nothing.
func TestFeed(t *testing.T) {
	var f, g feed
	for _, feed := range []*feed{&f, &g} {
		feed.add(mapEvent(1, 10), mapEvent(2, 30))
		feed.add(mapEvent(2, 30), mapEvent(3, 50))
	}
	f.add(otherEvent(7, 20), otherEvent(9, 40))
	g.add(otherEvent(7, 20)) // it hears of the next one later
	all, _ := f.after(kv.EventPosition{})
	if got := texts(all); got != "map 1, other 7, map 2, other 9, map 3" {
		t.Fatalf("the feed has %s", got)
	}
	g.add(otherEvent(9, 40))
	for i, e := range all {
		at, err := kv.ParseEventPosition(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if rest, _ := g.after(at); texts(rest) != texts(all[i+1:]) {
			t.Errorf("after %s (%s) come %s, want %s", e.ID, e.Text, texts(rest), texts(all[i+1:]))
		}
	}
	if told := f.told(7); texts(told) != "other 9" {
		t.Errorf("told after 7: %s", texts(told))
	}
}

// Who waits for the next event is woken by it.
func TestFeedWakes(t *testing.T) {
	var f feed
	f.add(mapEvent(1, 10))
	_, more := f.after(f.position())
	f.add(mapEvent(1, 10))
	select {
	case <-more:
		t.Fatal("woken by an event that was known")
	default:
	}
	f.add(mapEvent(2, 20))
	select {
	case <-more:
	case <-time.After(time.Second):
		t.Fatal("not woken")
	}
}

// A new leader of the controller numbers its events above those of the one before,
// and what both told of a group's leader stands once.
func TestFeedOfTwoLeaders(t *testing.T) {
	leads := func(node string, term uint64) kv.Event {
		return kv.Event{Kind: kv.EventLeader, Node: node, Group: 1, Term: term, Text: fmt.Sprint(node, " in ", term)}
	}
	var old, next, third feed
	old.tell(4, leads("n1", 2))
	next.add(old.told(0)...)
	old.tell(4, leads("n2", 3)) // dies before next hears of it; third has heard
	third.add(old.told(0)...)
	next.tell(5, leads("n2", 3))
	next.tell(5, leads("n3", 4))
	third.add(next.told(third.position().Seq)...)
	events, _ := third.after(kv.EventPosition{})
	if got := texts(events); got != "n1 in 2, n2 in 3, n3 in 4" {
		t.Errorf("the third node has %s", got)
	}
}

// The feed is bounded, keeps the newest, and one sort does not drive out the other.
func TestFeedIsBounded(t *testing.T) {
	var f feed
	f.add(mapEvent(1, 1))
	const many = 5 * feedSize
	for seq := range uint64(many) {
		f.add(otherEvent(seq+1, int64(seq)))
	}
	events, _ := f.after(kv.EventPosition{})
	if len(events) > feedSize+1 || len(events) < feedSize/2 || events[len(events)-1].Seq != many {
		t.Errorf("%d events, the last is %+v", len(events), events[len(events)-1])
	}
	if !strings.Contains(texts(events), "map 1") {
		t.Error("the change of the map is gone")
	}
}
