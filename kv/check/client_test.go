package check

import "testing"

// However long a window lasts, each of its sets of keys gets only so many deadlines.
func TestDeadlinesAreBounded(t *testing.T) {
	c, w := newClient(&run{config: Config{Clients: 1}, mix: newMix([]Workload{Deadlines}), cluster: new(cluster)}, 0), newWindow(1, 0, 1)
	deadlines := 0
	for range 10000 {
		if c.next(w).op.Steps[0].TTL > 0 {
			deadlines++
		}
	}
	if deadlines != maxLeases {
		t.Errorf("%d deadlines, want %d", deadlines, maxLeases)
	}
}
