package merge

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"raftkv/cmd/logfilter/event"
)

// list is a log in memory.
type list struct{ events []*event.Event }

func (l *list) Next() *event.Event {
	if len(l.events) == 0 {
		return nil
	}
	e := l.events[0]
	l.events = l.events[1:]
	return e
}

func drawLogs(t *rapid.T) (logs []*list, total int) {
	for i := range rapid.IntRange(0, 6).Draw(t, "logs") {
		log := &list{}
		at := int64(0)
		for n := range rapid.IntRange(0, 20).Draw(t, "lines") {
			at += int64(rapid.IntRange(-2, 5).Draw(t, "step"))
			log.events = append(log.events, &event.Event{Time: at, Stream: i, Index: event.Number{Value: uint64(n)}, Context: rapid.Bool().Draw(t, "context")})
			total++
		}
		logs = append(logs, log)
	}
	return logs, total
}

// TestMergeKeepsAll: every event comes exactly once, those of a log in its order,
// and never one while an earlier one waits at the head of another log.
func TestMergeKeepsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs, total := drawLogs(t)
		rest := make([]*list, len(logs))
		for i, l := range logs {
			rest[i] = &list{l.events}
		}
		n := 0
		Merge(logs, func(e *event.Event) bool {
			n++
			for i, l := range rest {
				if len(l.events) > 0 && (l.events[0].Time < e.Time || l.events[0].Time == e.Time && i < e.Stream) {
					t.Fatalf("%+v came before %+v", e, l.events[0])
				}
			}
			if rest[e.Stream].Next() != e {
				t.Fatalf("%+v is not the next of its log", e)
			}
			return true
		})
		if n != total {
			t.Fatalf("%d events, want %d", n, total)
		}
	})
}

func TestMergeStops(t *testing.T) {
	l := &list{[]*event.Event{{Time: 1}, {Time: 2}, {Time: 3}}}
	n := 0
	Merge([]*list{l}, func(*event.Event) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("%d events after the second was enough", n)
	}
}

// TestContext compares with what is plain to see: an event is shown if one that
// was chosen is at most count away.
func TestContext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.SliceOf(rapid.Bool()).Draw(t, "chosen")
		count := rapid.IntRange(1, 4).Draw(t, "count")
		want, last := "", -1
		for i := range chosen {
			near := false
			for j := max(0, i-count); j <= min(len(chosen)-1, i+count); j++ {
				near = near || chosen[j]
			}
			if !near {
				continue
			}
			if last >= 0 && last != i-1 {
				want += "-- "
			}
			want += fmt.Sprint(i, " ")
			last = i
		}
		got := ""
		c := NewContext(count)
		for i, is := range chosen {
			c.Add(&event.Event{Time: int64(i), Context: !is}, func(e *event.Event, gap bool) bool {
				if gap {
					got += "-- "
				}
				got += fmt.Sprint(e.Time, " ")
				return true
			})
		}
		if got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}
