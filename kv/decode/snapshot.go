package decode

import (
	"encoding/json"
	"fmt"
	"os"

	"raftkv/snapshot"
)

// Part says what a Record of a snapshot is.
type Part string

// The parts of a snapshot, in their order: the header, for each slot its keys,
// sessions and deleted keys, and the footer.
const (
	HeaderPart    Part = "header"
	SlotPart      Part = "slot"
	KeyPart       Part = "key"
	SessionPart   Part = "session"
	TombstonePart Part = "deleted"
	FooterPart    Part = "footer"
)

// Record is one piece of a snapshot.
type Record struct {
	Part Part
	// Name is the key, or the client id of a session; "" for other parts.
	Name string
	// Index is that of the entry that changed or deleted the key; 0 for others.
	Index uint64
	// Text is the record for people, and JSON what encodes it; nil for a slot,
	// which its keys name.
	Text string
	JSON any
}

// Snapshot calls fn for all that the snapshot file at path holds. It fails if
// the file is not whole, after the records before the damage.
func Snapshot(path string, fn func(Record) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, footer, err := snapshot.ReadInOrder(f, loader(fn))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return fn(Record{
		Part: FooterPart,
		Text: fmt.Sprintf("whole: %d keys, %d sessions, %d blocks, %d bytes, xxh64 %s",
			footer.Keys, footer.Sessions, footer.Blocks, footer.Bytes, footer.Sum),
		JSON: map[string]any{"footer": footer},
	})
}

// loader makes records of a snapshot as it is read.
type loader func(Record) error

var _ snapshot.Loader = loader(nil)

func (l loader) Begin(h snapshot.Header, meta []byte) error {
	return l(Record{
		Part: HeaderPart,
		Text: fmt.Sprintf("group %d at index %d, term %d, epoch %d, clock %d\nmeta %s", h.Group, h.Index, h.Term, h.Epoch, h.Clock, meta),
		JSON: map[string]any{"header": h, "meta": json.RawMessage(meta)},
	})
}

func (l loader) Slot(slot uint16, deleted uint64) error {
	return l(Record{Part: SlotPart, Text: fmt.Sprintf("slot %d, last deletion at %d", slot, deleted)})
}

func (l loader) Key(slot uint16, key, value []byte, expireAt int64, changed uint64) error {
	expires := ""
	if expireAt != 0 {
		expires = fmt.Sprintf(", expires at %d ms", expireAt)
	}
	return l(Record{
		Part: KeyPart, Name: string(key), Index: changed,
		Text: fmt.Sprintf("  %s = %s, changed at %d%s", Word(string(key)), Word(string(value)), changed, expires),
		JSON: map[string]any{"slot": slot, "key": string(key), "value": string(value), "expire_at_ms": expireAt, "changed": changed},
	})
}

func (l loader) Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error {
	return l(Record{
		Part: SessionPart, Name: string(id),
		Text: fmt.Sprintf("  session %s, sequence %d, reply %s", Word(string(id)), seq, Word(string(reply))),
		JSON: map[string]any{"slot": slot, "session": string(id), "seq": seq, "active_ms": active, "reply": string(reply)},
	})
}

func (l loader) Tombstone(slot uint16, key []byte, index, digest uint64) error {
	return l(Record{
		Part: TombstonePart, Name: string(key), Index: index,
		Text: fmt.Sprintf("  %s, deleted at %d", Word(string(key)), index),
		JSON: map[string]any{"slot": slot, "deleted": string(key), "index": index, "digest": digest},
	})
}
