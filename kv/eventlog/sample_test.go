package eventlog

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A range of entries is chosen if and only if a sampled one is in it, so that all lines
// about an entry are written or none.
func TestChosenByTheEntriesInARange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.Uint64Range(1, 40).Draw(t, "every")
		index := rapid.Uint64Range(1, 1000).Draw(t, "index")
		entries := rapid.Uint64Range(0, 50).Draw(t, "entries")
		want := false
		for i := index; i > 0 && index-i < max(entries, 1); i-- {
			want = want || i%every == 0
		}
		if got := chosen(every, index, entries); got != want {
			t.Fatalf("%d entries up to %d, one of %d: %v", entries, index, every, got)
		}
	})
}

func TestFreeLinesOfASecond(t *testing.T) {
	var s budget
	for _, second := range []int64{1700000000, 1700000001, 1<<32 + 5} {
		granted := 0
		for range 3 * freeLines {
			if s.grant(time.Unix(second, 0), 1) {
				granted++
			}
		}
		if granted != freeLines {
			t.Errorf("%d lines were free in second %d, not %d", granted, second, freeLines)
		}
	}
	if later := time.Unix(5<<32, 0); !s.grant(later, freeLines-1) || s.grant(later, 2) || !s.grant(later, 1) {
		t.Error("what takes several is granted more or less than is left")
	}
}

func TestFollows(t *testing.T) {
	path := t.TempDir() + "/trace.jsonl"
	tr, err := OpenTracer(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var none *Tracer
	if none.Follows(TopicCommit, 32, 1) || tr.Follows(TopicCommit, 32, 1) {
		t.Error("a topic that is off is followed")
	}
	tr.Follow([]string{TopicCommit})
	if tr.Sample() != DefaultTraceSample {
		t.Errorf("the sample is %d", tr.Sample())
	}
	if tr.Follows(TopicCommit, 0, 0) {
		t.Error("a heartbeat is followed")
	}
	// Beyond what is free in any second that the test may see, the index alone decides.
	tr.SetSample(10)
	followed := 0
	start := time.Now()
	for range 100000 {
		if tr.Follows(TopicCommit, 11, 1) {
			followed++
		}
	}
	if most := freeLines * (2 + int(time.Since(start)/time.Second)); followed < freeLines || followed > most {
		t.Errorf("%d of 100000 were followed, %d to %d should", followed, freeLines, most)
	}
	if !tr.Follows(TopicCommit, 20, 1) || !tr.Follows(TopicCommit, 25, 6) {
		t.Error("a sampled entry is not followed")
	}
	tr.SetSample(1)
	if !tr.Follows(TopicCommit, 11, 1) || !tr.Follows(TopicCommit, 0, 0) {
		t.Error("not all are followed")
	}
}

// A line that comes late says when it was.
func TestALineIsDatedBack(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
	events := traced(t, []string{TopicCommit}, func(tr *Tracer) {
		tr.Line(TopicCommit, "proposed", Place{Group: 1}).At(at).Write()
		tr.Line(TopicCommit, "answered", Place{Group: 1}).Write()
	})
	if len(events) != 2 || !events[0].Time.Equal(at) || events[1].Time.Before(at.Add(time.Hour)) {
		t.Errorf("%+v", events)
	}
}

// BenchmarkNotFollowed is what an entry costs that is not chosen.
func BenchmarkNotFollowed(b *testing.B) {
	tr := openForBenchmark(b)
	for b.Loop() {
		tr.Follows(TopicReplication, 33, 1)
	}
}

// BenchmarkTraceLine is what a line costs its caller.
func BenchmarkTraceLine(b *testing.B) {
	tr := openForBenchmark(b)
	for b.Loop() {
		tr.Line(TopicReplication, "append sent", Place{Group: 1, Term: 7, Index: 123456}).Text("way", "sent").Uint("message", 99).
			Text("peer", "n2").Uint("entries", 1).Uint("commit", 123455).Write()
	}
}

// openForBenchmark returns a trace of all topics, which is closed at the benchmark's end.
func openForBenchmark(b *testing.B) *Tracer {
	b.Helper()
	tr, err := OpenTracer(Options{Path: b.TempDir() + "/trace.jsonl", Node: "n1"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tr.Close() })
	tr.Follow(TraceTopics())
	b.ReportAllocs()
	return tr
}
