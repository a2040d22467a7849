package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"raftkv/shard"
)

// history keeps the maps of all epochs, as now and then a whole map and the
// deltas that follow it. Both are kept as JSON, just as a snapshot has them, so
// its size is what it seems to be.
//
// Its bounds: a delta takes some 200 to 600 bytes. A whole map is written only
// when the deltas since the last one outweigh that and segmentBytes, so whole
// maps, save the newest, take no more than the deltas do, and a map is made from about two maps'
// worth of JSON at most. What goes beyond limit bytes is forgotten from the
// oldest on, tens of thousands of epochs back: a balancer that never rests must
// not fill the memory.
type history struct {
	segments []segment // in order; each begins with the last map of the one before
	size     int       // bytes of JSON in all segments
	limit    int       // bytes
}

// segment is a whole map and the changes after it. Neither the bytes nor what
// lies in deltas up to its length is ever changed.
type segment struct {
	epoch  uint64 // of base
	base   json.RawMessage
	deltas []json.RawMessage // the first makes epoch+1
	size   int               // bytes of deltas
}

const (
	segmentBytes = 16 << 10
	historyBytes = 16 << 20
)

func newHistory(m *shard.Map) history {
	h := history{limit: historyBytes}
	h.begin(m)
	return h
}

// add records the change from prev, the newest map that h knows, to next.
func (h *history) add(prev, next *shard.Map, note *Note) {
	last := &h.segments[len(h.segments)-1]
	if last.size >= max(segmentBytes, len(last.base)) {
		last = h.begin(prev)
	}
	d := diff(prev, next)
	d.Note = note
	b := marshal(d)
	last.deltas = append(last.deltas, b)
	last.size += len(b)
	h.size += len(b)
	for h.size > h.limit && len(h.segments) > 1 {
		h.size -= len(h.segments[0].base) + h.segments[0].size
		h.segments = slices.Delete(h.segments, 0, 1)
	}
}

// begin starts a new segment with m.
func (h *history) begin(m *shard.Map) *segment {
	b := marshal(m)
	h.segments = append(h.segments, segment{epoch: m.Epoch, base: b})
	h.size += len(b)
	return &h.segments[len(h.segments)-1]
}

// clone costs a copy of the list of segments, and shares what they hold.
func (h *history) clone() history {
	c := *h
	c.segments = slices.Clone(h.segments)
	for i := range c.segments {
		c.segments[i].deltas = slices.Clip(c.segments[i].deltas) // so that appending copies
	}
	return c
}

// at makes the map of an epoch.
func (h *history) at(epoch uint64) (*shard.Map, error) {
	if first := h.segments[0].epoch; epoch < first {
		return nil, fmt.Errorf("%w: epoch %d is not kept any more, the oldest is %d", ErrNoMap, epoch, first)
	}
	after := sort.Search(len(h.segments), func(i int) bool { return h.segments[i].epoch > epoch })
	s := &h.segments[after-1]
	if newest := s.epoch + uint64(len(s.deltas)); epoch > newest {
		return nil, fmt.Errorf("%w: epoch %d has not come yet, the newest is %d", ErrNoMap, epoch, newest)
	}
	return s.replay(epoch)
}

// replay makes the map of an epoch that lies in the segment.
func (s *segment) replay(epoch uint64) (*shard.Map, error) {
	m := new(shard.Map)
	if err := json.Unmarshal(s.base, m); err != nil {
		return nil, fmt.Errorf("history of the shard map: epoch %d: %w", s.epoch, err)
	}
	if m.Epoch != s.epoch {
		return nil, fmt.Errorf("history of the shard map: epoch %d holds the map of epoch %d", s.epoch, m.Epoch)
	}
	for _, b := range s.deltas[:epoch-s.epoch] {
		var d delta
		err := json.Unmarshal(b, &d)
		if err == nil {
			err = d.patch(m)
		}
		if err != nil {
			return nil, fmt.Errorf("history of the shard map: change after epoch %d: %w", m.Epoch, err)
		}
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("history of the shard map: %w", err)
	}
	return m, nil
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // structs of strings, numbers and booleans always marshal
	}
	return b
}
