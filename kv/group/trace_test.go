package group

import (
	"errors"
	"testing"
	"time"

	"raftkv/kv/eventlog"
	"raftkv/kv/fsm"
)

// tracedEntries returns the lines about entries that fn proposes and answers, once no
// line is free any more: only the sample, and what is slow or fails, is followed.
func tracedEntries(t *testing.T, fn func(*entryTrace)) []eventlog.Event {
	t.Helper()
	path := t.TempDir() + "/trace.jsonl"
	tracer, err := eventlog.OpenTracer(eventlog.Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Follow(eventlog.TraceTopics())
	tracer.SetSample(1 << 40)
	for tracer.Follows(eventlog.TopicCommit, 1, 1) {
	}
	fn(&entryTrace{trace: tracer, group: 1})
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := eventlog.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What fails or is slow is in the trace with its proposal, dated back, whatever its
// index.
func TestTheTraceTellsLateOfWhatIsSlowOrFails(t *testing.T) {
	start := time.Now().Add(-3 * time.Second)
	for what, failure := range map[string]error{"slow": nil, "failed": errors.New("no quorum")} {
		events := tracedEntries(t, func(e *entryTrace) {
			e.told = false
			p := proposing{kind: fsm.Tick, size: 16, start: start}
			e.next = 7
			e.answered(p, &fsm.Result{Term: 2, Index: 5}, failure)
		})
		if len(events) != 2 {
			t.Fatalf("%s: %d lines: %v", what, len(events), events)
		}
		proposed, answered := events[0], events[1]
		if proposed.Msg != "proposed" || !proposed.Time.Equal(start.Round(0)) || proposed.Attrs["proposal"] != int64(7) {
			t.Errorf("%s: %+v", what, proposed)
		}
		if answered.Msg != "answered" || answered.Index != 5 || answered.Attrs["proposal"] != int64(7) || (answered.Attrs["error"] != nil) != (failure != nil) {
			t.Errorf("%s: %+v", what, answered)
		}
	}
}

// A guessed index that was wrong does not make an entry of the sample disappear: its
// proposal comes late.
func TestTheTraceTellsOfASampledEntryOfAnotherIndex(t *testing.T) {
	events := tracedEntries(t, func(e *entryTrace) {
		e.trace.SetSample(1000)
		e.index = 997 // so the next one is guessed to be 998, and is 1000
		p := proposing{kind: fsm.Tick, size: 16, start: time.Now()}
		e.proposed(p)
		e.answered(p, &fsm.Result{Term: 2, Index: 1000}, nil)
	})
	if len(events) < 2 || events[len(events)-2].Msg != "proposed" || events[len(events)-1].Index != 1000 {
		t.Errorf("%+v", events)
	}
}
