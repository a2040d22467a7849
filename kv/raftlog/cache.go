package raftlog

import "github.com/hashicorp/raft"

// cacheBytes bounds the entries that are kept in memory. Followers that keep up
// are fed from here. raft.LogCache counts entries, which may have up to 1 MiB
// each; this one counts bytes.
const cacheBytes = 8 << 20

// startBytes is that bound while a node starts whose store reads each entry alone:
// raft reads the log again after it was checked. The first append ends it.
const startBytes = 64 << 20

// cache holds the newest entries of the log, without gaps. Not safe for
// concurrent use.
type cache struct {
	logs  []*raft.Log // logs[i] has the index logs[0].Index+i
	bytes int
	limit int // of bytes; 0: cacheBytes
}

func (c *cache) get(index uint64, out *raft.Log) bool {
	if len(c.logs) == 0 || index < c.logs[0].Index {
		return false
	}
	at := index - c.logs[0].Index
	if at >= uint64(len(c.logs)) {
		return false
	}
	*out = *c.logs[at]
	return true
}

func (c *cache) add(logs []*raft.Log) {
	if n := len(c.logs); n > 0 && c.logs[n-1].Index+1 != logs[0].Index {
		c.clear()
	}
	for _, log := range logs {
		c.bytes += encodedSize(log)
	}
	c.logs = append(c.logs, logs...)
	drop := 0
	limit := c.limit
	if limit == 0 {
		limit = cacheBytes
	}
	for c.bytes > limit && drop < len(c.logs) {
		c.bytes -= encodedSize(c.logs[drop])
		c.logs[drop] = nil // the array outlives it
		drop++
	}
	c.logs = c.logs[drop:]
}

// remove forgets the entries from..to, and those that would be left behind a
// gap.
func (c *cache) remove(from, to uint64) {
	kept := c.logs[:0]
	c.bytes = 0
	for _, log := range c.logs {
		if log.Index < from || from <= c.logs[0].Index && log.Index > to {
			kept = append(kept, log)
			c.bytes += encodedSize(log)
		}
	}
	clear(c.logs[len(kept):])
	c.logs = kept
}

func (c *cache) clear() { c.logs, c.bytes = nil, 0 }
