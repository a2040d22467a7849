package simulation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// image is the content of a group's log and stable store.
type image struct {
	first  uint64 // 0: empty
	logs   []*raft.Log
	stable map[string]change
}

// change is one write: entries, a range that goes, or a key.
type change struct {
	logs     []*raft.Log
	from, to uint64
	key      string
	value    []byte
	number   uint64

	due time.Time // when a disk that lies has it
}

func newImage() image { return image{stable: make(map[string]change)} }

func (m *image) clone() image {
	return image{first: m.first, logs: slices.Clone(m.logs), stable: maps.Clone(m.stable)}
}

func (m *image) last() uint64 {
	if m.first == 0 {
		return 0
	}
	return m.first + uint64(len(m.logs)) - 1
}

// apply makes a change. Entries must join those that are there, as raft-wal wants
// it; a range must be a prefix or a suffix.
func (m *image) apply(c change) {
	switch {
	case c.key != "":
		m.stable[c.key] = c
	case len(c.logs) > 0:
		if m.first == 0 {
			m.first = c.logs[0].Index
		}
		if next := m.last() + 1; c.logs[0].Index != next {
			panic(fmt.Sprintf("entry %d is appended where %d belongs", c.logs[0].Index, next))
		}
		m.logs = append(m.logs, c.logs...)
	case m.first == 0:
	case c.from <= m.first:
		n := min(c.to+1-m.first, uint64(len(m.logs)))
		m.logs = slices.Clone(m.logs[n:])
		m.first += n
	default:
		m.logs = m.logs[:c.from-m.first]
	}
	if len(m.logs) == 0 {
		m.first = 0
	}
}
