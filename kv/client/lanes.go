package client

import (
	"strconv"
	"sync"

	"raftkv/kv/resp"
)

// lanes hands out sessions. The cluster remembers one sequence number and reply
// for each (slot, client id), so at most one write may be under way for each:
// calls at the same time need different client ids. A lane is such an id in one
// slot, and has a caller of its own until the outcome of its write is known.
//
// Lanes are counted slot by slot, not over all slots: the cluster keeps a
// session for every pair that ever wrote within an hour, and that way there are
// only as many as writes at the same time in the same slot.
type lanes struct {
	client string // random, this client's alone

	mu    sync.Mutex
	slots map[uint16]*slotLanes
}

type slotLanes struct {
	made int     // how many there ever were, the retired ones included
	free []*lane // the last one used is the next one taken, so that few stay in use
}

type lane struct {
	slot   uint16
	number int
	seq    uint64 // of the last write
}

func newLanes(client string) *lanes {
	return &lanes{client: client, slots: make(map[uint16]*slotLanes)}
}

// take returns a lane for one write, its sequence number already new.
func (l *lanes) take(slot uint16) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.slots[slot]
	if s == nil {
		s = new(slotLanes)
		l.slots[slot] = s
	}
	var taken *lane
	if n := len(s.free); n > 0 {
		taken, s.free = s.free[n-1], s.free[:n-1]
	} else {
		taken = &lane{slot: slot, number: s.made}
		s.made++
	}
	taken.seq++
	return taken
}

// giveBack returns a lane once the outcome of its write is known. A lane whose
// write ended in doubt is never given back: a late duplicate of that write may
// still arrive, and must not meet another write of its session.
func (l *lanes) giveBack(done *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.slots[done.slot]
	s.free = append(s.free, done)
}

// wrap makes args, a write of key, part of the lane's session.
func (l *lanes) wrap(x *lane, key string, args []string) []byte {
	all := make([]string, 0, len(args)+4)
	all = append(all, "RAFTKV.ONCE", key, l.client+"-"+strconv.Itoa(x.number), strconv.FormatUint(x.seq, 10))
	return resp.AppendCommand(nil, append(all, args...)...)
}
