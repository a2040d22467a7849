package node

import (
	"runtime"
	"testing"
)

// while anybody hurries there are more processors, and afterwards as many as before.
func TestHurry(t *testing.T) {
	usual := runtime.GOMAXPROCS(0)
	h := hurry{processors: usual + 2}
	first, second := h.begin(), h.begin()
	first()
	if n := runtime.GOMAXPROCS(0); n != usual+2 {
		t.Errorf("%d processors while one hurries, not %d", n, usual+2)
	}
	second()
	if n := runtime.GOMAXPROCS(0); n != usual {
		t.Errorf("%d processors afterwards, not %d", n, usual)
	}
	new(hurry).begin()()
	if n := runtime.GOMAXPROCS(0); n != usual {
		t.Errorf("%d processors, not %d, where none were to be added", n, usual)
	}
}
