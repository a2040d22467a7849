package simulation

import (
	"errors"
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

// errGap is raft-wal's answer to entries that do not join those that are there. Raft
// appends such when its disk has lost what it had said to have.
var errGap = errors.New("non-monotonic log entries")

// apply makes a change, or fails and makes none. A range must be a prefix or a suffix;
// what of it is not there is ignored.
func (m *image) apply(c change) error {
	switch {
	case c.key != "":
		m.stable[c.key] = c
	case len(c.logs) > 0:
		if first, next := c.logs[0].Index, m.last()+1; m.first != 0 && first != next {
			return fmt.Errorf("%w: %d where %d belongs", errGap, first, next)
		} else if m.first == 0 {
			m.first = first
		}
		m.logs = append(m.logs, c.logs...)
	case m.first == 0 || c.to < m.first || c.from > m.last():
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
	return nil
}

// must makes a change that is known to fit.
func (m *image) must(c change) {
	if err := m.apply(c); err != nil {
		panic(err)
	}
}
