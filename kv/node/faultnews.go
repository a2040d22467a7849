package node

import (
	"fmt"
	"slices"
	"sync"

	"raftkv/kv"
	"raftkv/kv/fault"
)

// faultNews is what a node has to tell the controller's leader of faults that began
// or ended on it, until it has been heard: a node that is cut off tells it later.
// The zero value is ready.
type faultNews struct {
	mu   sync.Mutex
	list []fault.Event
}

// mostFaultNews bounds what is kept for a controller that does not answer.
const mostFaultNews = 200

func (f *faultNews) add(e fault.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == mostFaultNews {
		f.list = f.list[1:]
	}
	f.list = append(f.list, e)
}

func (f *faultNews) all() []fault.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// heard drops what has been told.
func (f *faultNews) heard(told []fault.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(e fault.Event) bool { return slices.Contains(told, e) })
}

// faultsTold remembers which faults' begin and end the board has told: a fault on
// several nodes has one id, and a report may come twice.
type faultsTold map[string]bool

// mostFaultsTold bounds the memory of them.
const mostFaultsTold = 10_000

// first tells whether e is news.
func (f faultsTold) first(e fault.Event) bool {
	key := fmt.Sprint(e.ID, " ", e.Start)
	if f[key] {
		return false
	}
	if len(f) >= mostFaultsTold {
		clear(f)
	}
	f[key] = true
	return true
}

// hearFaults tells of the faults in a report.
func (b *board) hearFaults(r report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range r.Faults {
		if b.faults == nil || !b.faults.first(e) {
			continue
		}
		out := kv.Event{Kind: kv.EventFault, Node: r.Node, Text: fmt.Sprintf("fault %s begins: %s", e.ID, e.Fault)}
		if !e.Start {
			out.Text, out.Reason = fmt.Sprintf("fault %s ends: %s", e.ID, e.Fault), e.Reason
		}
		b.tell(b.term, out)
	}
}
