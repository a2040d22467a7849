package snapshot

// Chunk collects records of slots for a migration, in any order of slots. The
// zero Chunk is empty. Not safe for concurrent use.
type Chunk struct {
	buf     []byte
	slot    int // of the last record, plus one
	records int
}

// Key adds a key. The bytes are copied, as by all methods. The index of its last
// change does not travel: it is the group's own.
func (c *Chunk) Key(slot uint16, key, value []byte, expireAt int64) {
	c.at(slot)
	c.buf = appendKey(c.buf, key, value, expireAt, 0)
}

// Tombstone adds a key that has gone.
func (c *Chunk) Tombstone(slot uint16, key []byte) {
	c.at(slot)
	c.buf = appendTombstone(c.buf, key, 0, 0)
}

// Session adds a client's session.
func (c *Chunk) Session(slot uint16, id string, seq uint64, active int64, reply []byte) {
	c.at(slot)
	c.buf = appendSession(c.buf, id, seq, active, reply)
}

func (c *Chunk) at(slot uint16) {
	c.records++
	if c.slot != int(slot)+1 {
		c.buf = appendSlot(c.buf, slot, 0)
		c.slot = int(slot) + 1
	}
}

// Len returns the size in bytes.
func (c *Chunk) Len() int { return len(c.buf) }

// Records returns the number of keys, tombstones and sessions.
func (c *Chunk) Records() int { return c.records }

// Take returns the bytes, for ReadChunk, and empties the chunk.
func (c *Chunk) Take() []byte {
	b := c.buf
	*c = Chunk{}
	return b
}

// ReadChunk decodes a chunk. Whatever is wrong with the bytes is ErrDamaged;
// then, and after an error of to, what came before it must not count.
func ReadChunk(b []byte, to Records) error {
	var keys, sessions uint64
	return readRecords(b, anyPartition, to, &keys, &sessions)
}
