package shard

import (
	"testing"
)

// The values come from Redis's own cluster specification and from
// CLUSTER KEYSLOT of redis-server 7.
func TestSlotIsRedisClusters(t *testing.T) {
	for key, want := range map[string]uint16{
		"":                     0,
		"123456789":            0x31C3 % Slots,
		"foo":                  12182,
		"{user1000}.following": 3443,
		"{user1000}.followers": 3443,
		"foo{}{bar}":           8363,
		"foo{{bar}}zap":        4015,
		"foo{bar}{zap}":        5061,
		"bar":                  5061,
	} {
		if got := Slot([]byte(key)); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestParseRanges(t *testing.T) {
	got, err := ParseRanges("512, 0-99,100,90-95")
	if err != nil || len(got) != 2 || got[0] != (Range{0, 100}) || got[1] != (Range{512, 512}) {
		t.Fatalf("ParseRanges = %v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "5-1", "16384", "1-", "-1", "1,,2"} {
		if got, err := ParseRanges(bad); err == nil {
			t.Errorf("ParseRanges(%q) = %v, want an error", bad, got)
		}
	}
}
