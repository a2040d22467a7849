// Package merge makes one story of several logs.
package merge

import (
	"raftkv/cmd/logfilter/event"
)

// Log is a log whose events come one after the other.
type Log interface {
	// Next returns the next event, nil at the end.
	Next() *event.Event
}

// Merge calls emit with the events of all logs by their time until it returns
// false. Each event comes once, and those of one log in its order: a line that
// is earlier than the one before it in its log comes right after that. Of events
// with the same time the one of the first log comes first. It holds one event a
// log in memory.
func Merge[L Log](logs []L, emit func(*event.Event) bool) {
	heads := make(heap, 0, len(logs))
	for i, log := range logs {
		if e := log.Next(); e != nil {
			heads = append(heads, head{e, i})
		}
	}
	for i := len(heads)/2 - 1; i >= 0; i-- {
		heads.down(i)
	}
	for len(heads) > 0 {
		first := heads[0]
		if !emit(first.event) {
			return
		}
		if e := logs[first.log].Next(); e != nil {
			heads[0].event = e
		} else {
			heads[0] = heads[len(heads)-1]
			heads = heads[:len(heads)-1]
		}
		heads.down(0)
	}
}

// head is the first event of a log that was not emitted yet.
type head struct {
	event *event.Event
	log   int
}

func (a head) before(b head) bool {
	return a.event.Time < b.event.Time || a.event.Time == b.event.Time && a.log < b.log
}

// heap has the earliest head first.
type heap []head

func (h heap) down(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child].before(h[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
