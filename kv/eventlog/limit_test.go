package eventlog

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// summary shows the lines as second:message/peer*repeated.
func summary(t *testing.T, lines []string) string {
	t.Helper()
	var out []string
	for _, line := range lines {
		ev := mustParse(t, line)
		s := fmt.Sprintf("%.1f:%s", ev.Time.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds(), ev.Msg)
		if peer, ok := ev.Attrs["peer"]; ok {
			s += fmt.Sprint("/", peer)
		}
		if n, ok := ev.Attrs["repeated"]; ok {
			s += fmt.Sprint("*", n)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestRepeatedLinesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := logged(t, func(log *slog.Logger) {
			h := Hclog(log, TopicReplication)
			named := h.Named("x") // shares the limit
			for i := range 25 {
				h.Error("no answer", "peer", "n2", "i", i)
				if i%2 == 0 {
					named.Error("no answer", "peer", "n3", "i", i)
				}
				synctest.Wait()
				time.Sleep(100 * time.Millisecond)
			}
		})
		// n3's held lines are let out by n2's line of 1.0 and 2.0: the last of them
		// with its own time, and how many came before it.
		want := "0.0:no answer/n2 0.0:no answer/n3 0.8:no answer/n3*3 1.0:no answer/n2*9 1.8:no answer/n3*4 2.0:no answer/n2*9"
		if got := summary(t, lines); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestOtherLinesAreNotLimited(t *testing.T) {
	lines := logged(t, func(log *slog.Logger) {
		h := Hclog(log, TopicReplication)
		for range 3 {
			h.Info("vote granted", "from", "n2") // below warn
		}
		h.Warn("a", "peer", "n2")
		h.Error("a", "peer", "n2")
		h.Error("b", "peer", "n2")
		Hclog(log, TopicReplication).Error("b", "peer", "n2") // another group's raft
	})
	if len(lines) != 7 {
		t.Errorf("%d lines, want 7: %q", len(lines), lines)
	}
}

func TestLastRepeatsAreReportedByALaterLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := logged(t, func(log *slog.Logger) {
			h := Hclog(log, TopicReplication)
			for range 4 {
				h.Error("no answer", "peer", "n2")
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(10 * time.Second)
			h.Info("pipelining")
			time.Sleep(10 * time.Second)
			h.Info("later")
		})
		// The last one held back keeps its own time; two more like it were left out.
		want := "0.0:no answer/n2 0.3:no answer/n2*2 10.4:pipelining 20.4:later"
		if got := summary(t, lines); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestLimiterForgets(t *testing.T) {
	now := time.Unix(1000, 0)
	h := newHclog(slog.New(slog.DiscardHandler), TopicStore, func() time.Time { return now })
	h.handler = slog.NewTextHandler(&strings.Builder{}, nil)
	for i := range 10 * limitLines {
		h.Error("m", "peer", i)
	}
	if n := len(h.limiter.seen); n != limitLines {
		t.Errorf("remembers %d lines, want %d", n, limitLines)
	}
	now = now.Add(2 * limitWindow)
	h.Info("any")
	if n := len(h.limiter.seen); n != 0 {
		t.Errorf("still remembers %d lines", n)
	}
}

func TestClockSetBackSilencesNothing(t *testing.T) {
	now := time.Unix(1000, 0)
	lines := logged(t, func(log *slog.Logger) {
		h := newHclog(log, TopicStore, func() time.Time { return now })
		h.Error("m")
		now = now.Add(-time.Hour)
		h.Error("m")
	})
	if len(lines) != 2 {
		t.Errorf("%d lines, want 2", len(lines))
	}
}

// TestLimiterCountsEveryLine checks under concurrency that each line is either
// written or counted in a repeated count.
func TestLimiterCountsEveryLine(t *testing.T) {
	const callers, each = 8, 200
	var mu sync.Mutex
	now := time.Unix(1000, 0)
	clock := func() time.Time { // every call is a while later
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(7 * time.Millisecond)
		return now
	}
	path := t.TempDir() + "/log"
	l, err := Open(Options{Path: path, Node: "n1", Queue: 2 * callers * each})
	if err != nil {
		t.Fatal(err)
	}
	h := newHclog(l.Logger(), TopicStore, clock)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				h.Error("m", "peer", (c+i)%3)
			}
		})
	}
	wg.Wait()
	// Two lines a window apart let out what is held.
	for range 2 {
		mu.Lock()
		now = now.Add(2 * limitWindow)
		mu.Unlock()
		h.Info("end")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, line := range readLines(t, path) {
		ev := mustParse(t, line)
		if ev.Msg == "m" {
			n, _ := ev.Attrs["repeated"].(int64)
			total += 1 + n
		}
	}
	if total != callers*each {
		t.Errorf("written and counted %d lines, logged %d", total, callers*each)
	}
}
