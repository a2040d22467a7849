package loadgen

import (
	"math"
	"testing"
)

// counts draws many keys and counts each.
func counts(t *testing.T, c Config) map[string]int {
	t.Helper()
	if err := c.fill(); err != nil {
		t.Fatal(err)
	}
	choose := newChooser(&c, newZipf(c.Keys, c.Zipf), randomValues(&c), 0)
	out := make(map[string]int)
	var op Op
	for range 100_000 {
		choose.next(&op)
		out[string(op.Key)]++
	}
	return out
}

func hottest(of map[string]int) (key string) {
	for k, n := range of {
		if n > of[key] {
			key = k
		}
	}
	return key
}

// A shift makes other keys hot, and equally so.
func TestShiftMovesTheSkew(t *testing.T) {
	c := Config{Target: &RedisTarget{}, Requests: 1, Keys: 1000, Zipf: 0.99, Seed: 7}
	before := counts(t, c)
	c.Shift = 1234
	after := counts(t, c)
	if a, b := hottest(before), hottest(after); a != "key:000000000000" || b != "key:000000000234" {
		t.Errorf("the hottest keys are %s and %s", a, b)
	}
	// 1/1 of the sum of 1/k^0.99 for k up to 1000.
	sum := 0.0
	for k := 1.0; k <= 1000; k++ {
		sum += math.Pow(k, -0.99)
	}
	for _, of := range []map[string]int{before, after} {
		if share := float64(of[hottest(of)]) / 100_000; math.Abs(share-1/sum) > 0.01 {
			t.Errorf("the hottest key has a share of %.3f, want %.3f", share, 1/sum)
		}
	}
}
