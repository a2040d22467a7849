package heat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestTopIsExactWhileKeysAreFew(t *testing.T) {
	k := NewTopKeys(8, 0)
	k.Observe([]byte("before the clock is started"))
	k.Fold(start)
	for second := 1; second <= 30; second++ {
		for i := range 5 {
			for range 10 * (i + 1) {
				k.Observe(fmt.Appendf(nil, "key%d", i))
			}
		}
		k.Fold(start.Add(time.Duration(second) * time.Second))
		top := k.Top(100)
		if len(top) != 5 {
			t.Fatalf("Top = %v", top)
		}
		for i, h := range top {
			if want := fmt.Sprintf("key%d", 4-i); h.Key != want || h.Error != 0 {
				t.Errorf("Top[%d] = %v, want %s without error", i, h, want)
			}
			near(t, h.Key, h.Rate, float64(10*(5-i)))
		}
	}
	if got := k.Top(2); len(got) != 2 || k.Top(0) == nil || len(k.Top(-1)) != 0 {
		t.Errorf("Top(2) = %v", got)
	}
}

func TestKeyRatesHalveInAHalfLife(t *testing.T) {
	k, now := NewTopKeys(4, time.Second), start
	k.Fold(now)
	for range 30 {
		for range 100 {
			k.Observe([]byte("a"))
		}
		now = now.Add(time.Second)
		k.Fold(now)
	}
	was := k.Top(1)[0].Rate
	now = now.Add(time.Second)
	k.Fold(now)
	near(t, "after a half-life", k.Top(1)[0].Rate, was/2)
	k.Fold(now.Add(time.Minute))
	if got := k.Top(1); len(got) != 0 {
		t.Errorf("after a minute: %v", got)
	}
}

func TestKeysAreCopied(t *testing.T) {
	k := NewTopKeys(1, 0)
	k.Fold(start)
	key := []byte("abc")
	k.Observe(key)
	key[0] = 'x' // takes the counter over under its new name
	k.Observe(key)
	key[0] = 'y'
	k.Fold(start.Add(time.Second))
	if got := k.Top(1); len(got) != 1 || got[0].Key != "xbc" || got[0].Error == 0 {
		t.Errorf("Top = %v, want xbc with an error", got)
	}
}

// Zipf 0.99 over 100,000 keys at 40,000 operations a second, sampled: the true
// top ten are found, their rates right within a fifth. Then the hot set jumps.
func TestTopOfZipfTraffic(t *testing.T) {
	const keys, perSecond = 100_000, 40_000
	rng := rand.New(rand.NewPCG(1, 2))
	sum, cdf := 0.0, make([]float64, keys)
	for i := range cdf {
		sum += math.Pow(float64(i+1), -0.99)
		cdf[i] = sum
	}
	k, now := NewTopKeys(256, 0), start
	k.Fold(now)
	for _, offset := range []int{0, 5000} {
		for range 30 {
			for range perSecond {
				rank, _ := slices.BinarySearch(cdf, rng.Float64()*sum)
				k.Observe(fmt.Appendf(nil, "key%d", (rank+offset)%keys))
			}
			now = now.Add(time.Second)
			k.Fold(now)
		}
		found := map[string]float64{}
		for _, h := range k.Top(13) { // ranks 9 to 12 are within sampling's error of each other
			found[h.Key] = h.Rate
		}
		for rank := range 10 {
			key := fmt.Sprintf("key%d", (rank+offset)%keys)
			want := perSecond * math.Pow(float64(rank+1), -0.99) / sum
			if got := found[key]; math.Abs(got-want) > 0.2*want {
				t.Errorf("%s: rate %.0f, want %.0f; top: %v", key, got, want, k.Top(13))
			}
		}
	}
	if every := k.every.Load(); every < 8 {
		t.Errorf("one in %d is sampled at %d operations a second", every, perSecond)
	}
}

func TestSamplingFollowsTheTraffic(t *testing.T) {
	k := NewTopKeys(4, 0)
	for _, tc := range []struct{ rate, want float64 }{{100, 1}, {4096, 1}, {5000, 2}, {100, 1}, {1 << 40, 1 << 16}} {
		k.adapt(tc.rate)
		if got := float64(k.every.Load()); got != tc.want {
			t.Errorf("at %g samples a second: one in %g, want %g", tc.rate, got, tc.want)
		}
	}
}

func TestObservingBesideFolds(t *testing.T) {
	k := NewTopKeys(16, 0)
	k.Fold(start)
	var observers sync.WaitGroup
	for g := range 4 {
		observers.Go(func() {
			for i := range 5000 {
				k.Observe(fmt.Appendf(nil, "%d", (i*g)%40))
			}
		})
	}
	for second := range 20 {
		k.Fold(start.Add(time.Duration(second+1) * time.Second))
		k.Top(5)
	}
	observers.Wait()
	k.Fold(start.Add(time.Minute))
	if len(k.counters) > 16 || len(k.counters) != len(k.byKey) {
		t.Errorf("%d counters, %d keys", len(k.counters), len(k.byKey))
	}
}

func BenchmarkObserve(b *testing.B) {
	k, now := NewTopKeys(256, 0), start
	keys := make([][]byte, 4096)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key%d", i)
	}
	k.Fold(now)
	k.every.Store(16) // as at 50,000 operations a second
	for i := 0; b.Loop(); i++ {
		k.Observe(keys[i%len(keys)])
	}
}
