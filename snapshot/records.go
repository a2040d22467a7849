package snapshot

import "encoding/binary"

// Records takes the records of slots, each after the Slot that it is of. The
// slices are valid during the call only.
type Records interface {
	Slot(slot uint16, deleted uint64) error
	Key(slot uint16, key, value []byte, expireAt int64, changed uint64) error
	Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error
	Tombstone(slot uint16, key []byte, index, digest uint64) error
}

func appendSlot(b []byte, slot uint16, deleted uint64) []byte {
	b = binary.AppendUvarint(append(b, tagSlot), uint64(slot))
	return binary.AppendUvarint(b, deleted)
}

func appendKey(b, key, value []byte, expireAt int64, changed uint64) []byte {
	b = appendText(append(b, tagKey), key)
	b = appendText(b, value)
	b = binary.AppendUvarint(b, uint64(expireAt))
	return binary.AppendUvarint(b, changed)
}

func appendSession(b []byte, id string, seq uint64, active int64, reply []byte) []byte {
	b = appendText(append(b, tagSession), id)
	b = binary.AppendUvarint(b, seq)
	b = binary.AppendUvarint(b, uint64(active))
	return appendText(b, reply)
}

func appendTombstone(b, key []byte, index, digest uint64) []byte {
	b = appendText(append(b, tagTombstone), key)
	b = binary.AppendUvarint(b, index)
	return binary.AppendUvarint(b, digest)
}

func appendText[T ~[]byte | ~string](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// anyPartition lets readRecords take slots of all partitions.
const anyPartition = -1

// readRecords decodes records of slots in one partition, and counts them.
func readRecords(b []byte, partition int, to Records, keys, sessions *uint64) error {
	p := &parser{b: b}
	slot := -1
	for len(p.b) > 0 && !p.bad {
		tag := p.b[0]
		p.b = p.b[1:]
		if slot < 0 && tag != tagSlot {
			return damaged("a block does not begin with a slot")
		}
		var err error
		switch tag {
		case tagSlot:
			n, deleted := p.number(), p.number()
			if p.bad || n >= Partitions*slotsPerPartition || partition != anyPartition && n/slotsPerPartition != uint64(partition) {
				return damaged("slot %d is not of partition %d", n, partition)
			}
			slot = int(n)
			err = to.Slot(uint16(slot), deleted)
		case tagKey:
			key, value, expireAt, changed := p.text(), p.text(), p.number(), p.number()
			if p.bad {
				break
			}
			*keys++
			err = to.Key(uint16(slot), key, value, int64(expireAt), changed)
		case tagSession:
			id, seq, active, reply := p.text(), p.number(), p.number(), p.text()
			if p.bad {
				break
			}
			*sessions++
			err = to.Session(uint16(slot), id, seq, int64(active), reply)
		case tagTombstone:
			key, index, digest := p.text(), p.number(), p.number()
			if p.bad {
				break
			}
			err = to.Tombstone(uint16(slot), key, index, digest)
		default:
			return damaged("a record with tag %d", tag)
		}
		if err != nil {
			return err
		}
	}
	if p.bad {
		return damaged("a record is cut off")
	}
	return nil
}

// parser takes numbers and texts off b until something is wrong.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) number() uint64 {
	n, size := binary.Uvarint(p.b)
	if size <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[size:]
	return n
}

func (p *parser) text() []byte {
	n := p.number()
	if p.bad || n > uint64(len(p.b)) {
		p.bad, p.b = true, nil
		return nil
	}
	t := p.b[:n:n]
	p.b = p.b[n:]
	return t
}
