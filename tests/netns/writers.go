package netns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"raftkv/kv/client"
)

// writers count in keys of their own through kv/client, as a program would that
// uses it, and remember when they were acknowledged.
type writers struct {
	client *client.Client
	stop   context.CancelFunc
	wait   sync.WaitGroup
	turn   sync.RWMutex // held to write; and alone, so that nobody writes

	mu      sync.Mutex
	last    time.Time     // of the newest acknowledgement, or when the gap was last reset
	gap     time.Duration // the longest time without one
	counts  []int         // acknowledged, by key
	unknown []int         // of unknown outcome
	wrong   []string
}

func startWriters(t *testing.T, h *hosted, n int) *writers {
	t.Helper()
	c, err := client.New(client.Options{Addrs: h.all(h.redis), Password: password})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &writers{client: c, stop: stop, last: time.Now(), counts: make([]int, n), unknown: make([]int, n)}
	for i := range n {
		w.wait.Go(func() {
			for ctx.Err() == nil {
				w.turn.RLock()
				w.write(ctx, i)
				w.turn.RUnlock()
				// A busy machine is to show faults of the network, not of load.
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return w
}

func counter(i int) string { return fmt.Sprintf("netns:counter:%d", i) }

func (w *writers) write(ctx context.Context, i int) {
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	n, err := w.client.Incr(limited, counter(i))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		now := time.Now()
		w.gap, w.last = max(w.gap, now.Sub(w.last)), now
		w.counts[i]++
		if low, high := int64(w.counts[i]), int64(w.counts[i]+w.unknown[i]); n < low || n > high {
			w.wrong = append(w.wrong, fmt.Sprintf("increment %d to %d of counter %d was answered %d", low, high, i, n))
		}
	case errors.Is(err, client.ErrUncertain):
		w.unknown[i]++
	}
}

// silence returns the longest time without an acknowledged write since it was last
// asked for.
func (w *writers) silence() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	gap := max(w.gap, now.Sub(w.last))
	w.gap, w.last = 0, now
	return gap
}

// acknowledged returns how many writes were.
func (w *writers) acknowledged() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.counts {
		n += c
	}
	return n
}

// judge ends the writing and sees that each counter has what was acknowledged, and
// no more than that and what is unknown.
func (w *writers) judge(t *testing.T) {
	t.Helper()
	w.stop()
	w.wait.Wait()
	defer w.client.Close()
	for i, text := range w.wrong[:min(len(w.wrong), 5)] {
		t.Errorf("wrong answer %d of %d: %s", i+1, len(w.wrong), text)
	}
	for i, acked := range w.counts {
		text, _, err := w.client.Get(t.Context(), counter(i))
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := strconv.Atoi(text); n < acked || n > acked+w.unknown[i] {
			t.Errorf("counter %d is %q; %d increments were acknowledged, %d more are of unknown outcome", i, text, acked, w.unknown[i])
		}
		if acked == 0 {
			t.Errorf("counter %d was never acknowledged: this proves nothing", i)
		}
	}
}
