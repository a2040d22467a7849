package eventlog

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// traced returns the lines of a trace that follows topics, as fn has written them.
func traced(t *testing.T, topics []string, fn func(*Tracer)) []Event {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log", "trace.jsonl")
	tracer, err := OpenTracer(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Follow(topics)
	fn(tracer)
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTraceLine(t *testing.T) {
	before := time.Now()
	events := traced(t, []string{TopicCommit}, func(tr *Tracer) {
		tr.Line(TopicCommit, "applied", Place{Group: 3, Term: 7, Index: 9}).Uint("entries", 2).Text("keys", "a\"b\n").Text("none", "").
			Bool("success", true).Took("took", 1234567*time.Nanosecond).Write()
		tr.Line(TopicStore, "off", Place{}).Uint("entries", 2).Write()
		tr.Line(TopicCommit, "of no group", Place{Group: NoGroup}).Write()
	})
	if len(events) != 2 {
		t.Fatalf("%d lines", len(events))
	}
	e := events[0]
	if e.Time.Before(before.Add(-time.Second)) || e.Time.After(time.Now()) || e.Level != levelTrace || e.Node != "n1" || e.Topic != TopicCommit ||
		e.Group != 3 || !e.HasGroup || e.Term != 7 || e.Index != 9 || e.Msg != "applied" {
		t.Errorf("read back: %+v", e)
	}
	if e.Attrs["entries"] != int64(2) || e.Attrs["keys"] != "a\"b\n" || e.Attrs["success"] != true || e.Attrs["took"] != "1.235ms" || len(e.Attrs) != 4 {
		t.Errorf("attributes: %v", e.Attrs)
	}
	if e := events[1]; e.HasGroup || e.Msg != "of no group" {
		t.Errorf("without a group: %+v", e)
	}
}

func TestTraceOfNothing(t *testing.T) {
	var none *Tracer
	none.Line(TopicCommit, "m", Place{}).Uint("a", 1).Text("b", "x").Bool("c", true).Took("d", time.Second).Write()
	if err := none.Close(); err != nil || none.On(TopicCommit) {
		t.Errorf("a nil tracer: %v", err)
	}
}

// Lines of many goroutines all arrive, in the order of their times.
func TestTraceFromManyGoroutines(t *testing.T) {
	const writers, each = 8, 500
	events := traced(t, TraceTopics(), func(tr *Tracer) {
		var wait sync.WaitGroup
		for w := range writers {
			wait.Go(func() {
				for i := range each {
					tr.Line(TopicCommit, "m", Place{Index: uint64(i + 1)}).Uint("writer", uint64(w)).Write()
				}
			})
		}
		wait.Wait()
	})
	next := make(map[any]uint64)
	for i, e := range events {
		if i > 0 && e.Time.Before(events[i-1].Time) {
			t.Fatalf("line %d is older than the one before", i)
		}
		w := e.Attrs["writer"]
		if next[w]++; e.Index != next[w] {
			t.Fatalf("writer %v: index %d, want %d", w, e.Index, next[w])
		}
	}
	if len(events) != writers*each {
		t.Errorf("%d lines, want %d", len(events), writers*each)
	}
}

func TestTraceTopics(t *testing.T) {
	for text, want := range map[string]int{"all": len(TraceTopics()), "off": 0, "": 0, "commit,store": 2, "comit": -1, "commit,": -1} {
		got, err := ParseTraceTopics(text)
		if err != nil && want >= 0 || err == nil && len(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	tracer, err := OpenTracer(Options{Path: filepath.Join(b.TempDir(), "trace.jsonl"), Node: "n1"})
	if err != nil {
		b.Fatal(err)
	}
	tracer.Follow(TraceTopics())
	b.ReportAllocs()
	for b.Loop() {
		tracer.Line(TopicReplication, "append sent", Place{Group: 1, Term: 7, Index: 123456}).Text("way", "sent").
			Uint("message", 1764041234567890).Text("peer", "n2").Uint("entries", 1).Uint("commit", 123455).Write()
	}
	b.StopTimer()
	if err := tracer.Close(); err != nil {
		b.Fatal(err)
	}
}
