package client

import "testing"

// Two writes at the same time in the same slot never share a lane, and a lane's
// sequence numbers only grow.
func TestLanes(t *testing.T) {
	l := newLanes("c")
	a, b := l.take(1), l.take(1)
	if a.number == b.number {
		t.Error("two writes under way share a lane")
	}
	if other := l.take(2); other.number != 0 {
		t.Errorf("a slot's first lane has number %d: lanes of other slots count", other.number)
	}
	l.giveBack(a)
	again := l.take(1)
	if again != a || again.seq != 2 {
		t.Errorf("got lane %d with sequence %d, want the free one with 2", again.number, again.seq)
	}
	// b is not given back: its number never returns.
	l.giveBack(again)
	for range 10 {
		x := l.take(1)
		if x.number == b.number {
			t.Fatal("a retired lane is used again")
		}
		if x.number%3 == 0 {
			l.giveBack(x)
		}
	}
	want := "*6\r\n$11\r\nRAFTKV.ONCE\r\n$1\r\nk\r\n$3\r\nc-1\r\n$1\r\n1\r\n$4\r\nINCR\r\n$1\r\nk\r\n"
	if got := string(l.wrap(b, "k", []string{"INCR", "k"})); got != want {
		t.Errorf("wrapped: %q, want %q", got, want)
	}
}
