package check

import "testing"

// However long a window lasts, each of its sets of keys gets only so many deadlines.
func TestDeadlinesAreBounded(t *testing.T) {
	c, w := newClient(&run{config: Config{Clients: 1}, cluster: new(cluster)}, 0), newWindow(1, 0, 1)
	for range 10000 {
		c.next(w)
	}
	if n := w.tags[0].leases.Load(); n != maxLeases {
		t.Errorf("%d deadlines, want %d", n, maxLeases)
	}
}
