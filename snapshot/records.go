package snapshot

import "encoding/binary"

// records decodes a slots block.
func (d *decoder) records(b []byte, partition byte, keys, sessions *uint64) error {
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
			if p.bad || n/slotsPerPartition != uint64(partition) {
				return damaged("slot %d is not of partition %d", n, partition)
			}
			slot = int(n)
			err = d.loader.Slot(uint16(slot), deleted)
		case tagKey:
			key, value, expireAt, changed := p.text(), p.text(), p.number(), p.number()
			if p.bad {
				break
			}
			*keys++
			err = d.loader.Key(uint16(slot), key, value, int64(expireAt), changed)
		case tagSession:
			id, seq, active, reply := p.text(), p.number(), p.number(), p.text()
			if p.bad {
				break
			}
			*sessions++
			err = d.loader.Session(uint16(slot), id, seq, int64(active), reply)
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
