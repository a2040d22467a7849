package node

import (
	"testing"
	"testing/synctest"
	"time"
)

// A migration rests as its rate demands, and twice as long as a part took or longer if
// others were quicker, within bounds.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{rate: 1 << 20}
		rest := func(took time.Duration, bytes int) time.Duration {
			time.Sleep(took)
			start := time.Now()
			p.pace(t.Context(), bytes)
			return time.Since(start)
		}
		for _, x := range []struct {
			what  string
			took  time.Duration
			bytes int
			want  time.Duration
		}{
			{"the first part, however long ago its driver was made", time.Hour, 1 << 17, 125 * time.Millisecond},
			{"a part that took long, but none was quicker", 60 * time.Millisecond, 1 << 10, 120 * time.Millisecond},
			{"a quick part", 5 * time.Millisecond, 1 << 17, 125 * time.Millisecond},
			{"a part of no bytes", 10 * time.Millisecond, 0, 20 * time.Millisecond},
			{"a part that took four times as long", 20 * time.Millisecond, 0, 80 * time.Millisecond},
			{"a part that took eight times as long", 40 * time.Millisecond, 0, 320 * time.Millisecond},
			{"a part that met an election", 3 * time.Second, 1 << 10, maxRest},
			{"a part not worth a sleep", 2 * time.Millisecond, 0, 0},
			{"another one", 2 * time.Millisecond, 0, 8 * time.Millisecond},
		} {
			if got := rest(x.took, x.bytes); got != x.want {
				t.Errorf("%s: rested %v, want %v", x.what, got, x.want)
			}
		}
	})
}
