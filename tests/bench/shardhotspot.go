package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/loadgen"
)

const (
	// hotFloor is the factor that the balancer is to reach within hotWithin.
	hotFloor  = 1.2
	hotWithin = 15 * time.Second
	// calmWindows is how many windows in a row must be at or below the floor.
	calmWindows = 3
	hotClients  = 64
)

// hotTimes are when the factor is shown.
var hotTimes = []int{0, 2, 5, 10, 15}

// hotspot prints how evenly nodes are loaded when some keys are hot.
func hotspot(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error {
	fmt.Fprintf(out, `
### Hot spots: the busiest node's load / the mean

Zipf 0.99 over %d keys, %.0f operations a second, half reads, %d clients. Load is what each node executed by its own counters in windows of %v;
"at t" is the window that begins t seconds after the start, or after other keys have become hot. "within" is the time from there to the end of
the first window of %d in a row with a factor of at most %.1f (reach: %v). Moves are migrations + leader transfers.

| nodes | cluster | phase | at 0 s | 2 s | 5 s | 10 s | 15 s | within | moves | reached |
|---|---|---|---|---|---|---|---|---|---|---|
`, o.Keys, o.rate, hotClients, servedWindow, calmWindows, hotFloor, hotWithin)
	for _, nodes := range o.nodes {
		for _, kind := range []struct {
			name    string
			groups  int
			balance bool
			phase   time.Duration
		}{
			{"1 group", 1, true, o.phase / 4},
			{fmt.Sprintf("%d groups, balance off", nodes), nodes, false, o.phase / 4},
			{fmt.Sprintf("%d groups, balancer on", nodes), nodes, true, o.phase},
		} {
			r, err := l.sharded(ctx, "hotspot", nodes, kind.groups)
			if err != nil {
				return err
			}
			// Nothing moves before the load begins.
			if err := r.balance(ctx, false); err != nil {
				return err
			}
			if err := fill(ctx, r, o.load); err != nil {
				return err
			}
			if kind.balance && kind.groups > 1 {
				if err := coolDown(ctx, r, o.rate/10); err != nil {
					return err
				}
				if err := r.balance(ctx, true); err != nil {
					return err
				}
			}
			for i, phase := range []string{"start", "other keys"} {
				h, err := measureHot(ctx, r, o, kind.phase, int64(i)*(o.Keys/2+1))
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "| %d | %s | %s |%s\n", nodes, kind.name, phase, h.cells(kind.groups > 1 && kind.balance))
				note("%d nodes, %s, %s: %s", nodes, kind.name, phase, h)
			}
			l.drop(r)
		}
	}
	return nil
}

// coolDown waits until what the balancer knows of the load that filled the keys has
// decayed to so many operations a second: it would take for even what is not.
func coolDown(ctx context.Context, r *raftkvCluster, below float64) error {
	// Nodes report their heat each second.
	for pause := 2 * time.Second; ; pause = 500 * time.Millisecond {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		var hot kv.HotStatus
		if err := r.call(ctx, http.MethodGet, "/v1/hot?top=1", nil, &hot); err != nil {
			return err
		}
		total := 0.0
		for _, n := range hot.Nodes {
			total += n.Ops
		}
		if total < below {
			return nil
		}
	}
}

// heatPhase is what was measured while the same keys were hot.
type heatPhase struct {
	start   time.Time
	windows []servedLoad
	moves   moves
	result  measurement // its failures alone
	late    int64       // operations that were due and not sent: the machine is too slow
}

// measureHot makes skewed load, and counts what nodes execute meanwhile.
func measureHot(ctx context.Context, r *raftkvCluster, o *shardingOptions, d time.Duration, shift int64) (*heatPhase, error) {
	t, err := r.target(ctx, hotClients)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	h := &heatPhase{}
	counting, stop := context.WithCancel(ctx)
	defer stop()
	counted := make(chan error, 1)
	result, err := loadgen.Run(ctx, loadgen.Config{
		Target: t, Clients: hotClients, Duration: d + servedWindow/2, Rate: o.rate, Reads: 0.5,
		Keys: o.Keys, ValueSize: o.Value, Zipf: 0.99, Shift: shift,
		Begin: func() {
			h.start = time.Now()
			go func() {
				var err error
				h.windows, err = servedSince(counting, r)
				counted <- err
			}()
		},
	})
	if h.start.IsZero() {
		return nil, err // it did not begin
	}
	end := time.Now()
	stop()
	if failed := <-counted; err == nil {
		err = failed
	}
	if err == nil && result.Interrupted {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	h.result, h.late = measurement{Errors: result.Errors}, result.Unsent
	h.moves, err = r.movesBetween(h.start, end)
	return h, err
}

// within returns when the factor was at the floor and stayed there for a while.
func (h *heatPhase) within() (time.Duration, bool) {
	calm := 0
	for i, w := range h.windows {
		if calm++; w.factor() > hotFloor {
			calm = 0
		}
		if calm == calmWindows {
			return h.windows[i-calmWindows+1].end.Sub(h.start), true
		}
	}
	return 0, false
}

// cells are those of the table; floor says whether there is one to reach.
func (h *heatPhase) cells(floor bool) string {
	var b strings.Builder
	for _, at := range hotTimes {
		if at < len(h.windows) {
			fmt.Fprintf(&b, " %.2f |", h.windows[at].factor())
		} else {
			b.WriteString(" |")
		}
	}
	within, ok := h.within()
	switch {
	case ok:
		fmt.Fprintf(&b, " %.1f s | %s |", within.Seconds(), h.moves)
	default:
		fmt.Fprintf(&b, " - | %s |", h.moves)
	}
	if !floor {
		return b.String() + " |"
	}
	return b.String() + " " + reached(ok && within <= hotWithin) + " |"
}

// String tells the factor of every window.
func (h *heatPhase) String() string {
	var b strings.Builder
	for _, w := range h.windows {
		fmt.Fprintf(&b, "%.2f ", w.factor())
	}
	return fmt.Sprintf("%smoves %s, %d operations were not sent in time%s", b.String(), h.moves, h.late, failures(h.result))
}
