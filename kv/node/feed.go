package node

import (
	"slices"
	"sync"
	"time"

	"raftkv/kv"
)

// feedSize is how many events of each sort a node keeps for those who read them.
const feedSize = 1000

// feed holds the newest events of the cluster, on every node. Its methods may be
// called from any goroutine; the zero value is ready.
type feed struct {
	mu      sync.Mutex
	maps    []kv.Event // changes of the map, by epoch
	others  []kv.Event // all else, by number
	end     kv.EventPosition
	changed chan struct{} // closed and replaced with each event; nil if nobody waits
}

// add takes events in the order of their sort. Those that are here already are left
// out; it returns the others.
func (f *feed) add(events ...kv.Event) (news []kv.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if f.end.Before(e) && !f.repeated(e) {
			f.keep(e)
			news = append(news, e)
		}
		f.end = f.end.After(e)
	}
	return news
}

// tell takes an event that this node is the first to know, as the controller's
// leader of a term, and numbers it above all that earlier leaders have told. It
// returns false if it was known all the same.
func (f *feed) tell(term uint64, e kv.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.repeated(e) {
		return false
	}
	e.Seq = max(f.end.Seq+1, term<<32)
	f.keep(e)
	f.end = f.end.After(e)
	return true
}

// repeated tells whether e stands here already. It must be called with mu held.
func (f *feed) repeated(e kv.Event) bool { return slices.ContainsFunc(f.others, e.Repeats) }

// keep must be called with mu held.
func (f *feed) keep(e kv.Event) {
	list := &f.others
	if e.Epoch > 0 {
		list = &f.maps
	}
	if len(*list) >= feedSize {
		*list = slices.Delete(*list, 0, feedSize/10)
	}
	*list = append(*list, e)
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// position returns where the feed ends.
func (f *feed) position() kv.EventPosition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end
}

// after returns what comes after a position, and a channel that closes when there is
// more. Of the two sorts that comes first which happened first.
func (f *feed) after(p kv.EventPosition) ([]kv.Event, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	maps, others := rest(f.maps, p), rest(f.others, p)
	out := make([]kv.Event, 0, len(maps)+len(others))
	for len(maps) > 0 || len(others) > 0 {
		from := &maps
		if len(maps) == 0 || len(others) > 0 && others[0].Time.Before(maps[0].Time) {
			from = &others
		}
		e := (*from)[0]
		*from = (*from)[1:]
		p = p.After(e)
		e.ID = p.String()
		out = append(out, e)
	}
	return out, f.changed
}

// told returns the newest events that are no changes of the map, after a number.
func (f *feed) told(seq uint64) []kv.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(rest(f.others, kv.EventPosition{Seq: seq}))
}

// rest returns the end of a list that comes after p.
func rest(list []kv.Event, p kv.EventPosition) []kv.Event {
	at := len(list)
	for at > 0 && p.Before(list[at-1]) {
		at--
	}
	return list[at:]
}

// eventTime is the time of an event.
func eventTime(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
