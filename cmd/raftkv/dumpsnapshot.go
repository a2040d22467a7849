package main

import (
	"encoding/json"
	"fmt"
	"os"

	"raftkv/snapshot"
)

func dumpSnapshot(path string, out printer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, footer, err := snapshot.ReadInOrder(f, &snapshotDump{out: out})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if out.json {
		return out.line(map[string]any{"footer": footer})
	}
	_, err = fmt.Fprintf(out.w, "whole: %d keys, %d sessions, %d blocks, %d bytes, xxh64 %s\n",
		footer.Keys, footer.Sessions, footer.Blocks, footer.Bytes, footer.Sum)
	return err
}

func (p printer) line(v any) error { return json.NewEncoder(p.w).Encode(v) }

// snapshotDump prints a snapshot as it is read.
type snapshotDump struct{ out printer }

var _ snapshot.Loader = (*snapshotDump)(nil)

func (d *snapshotDump) Begin(h snapshot.Header, meta []byte) error {
	if d.out.json {
		return d.out.line(map[string]any{"header": h, "meta": json.RawMessage(meta)})
	}
	_, err := fmt.Fprintf(d.out.w, "group %d at index %d, term %d, epoch %d, clock %d\nmeta %s\n", h.Group, h.Index, h.Term, h.Epoch, h.Clock, meta)
	return err
}

func (d *snapshotDump) Slot(slot uint16, deleted uint64) error {
	if d.out.json {
		return nil
	}
	_, err := fmt.Fprintf(d.out.w, "slot %d, last deletion at %d\n", slot, deleted)
	return err
}

func (d *snapshotDump) Key(slot uint16, key, value []byte, expireAt int64, changed uint64) error {
	if d.out.json {
		return d.out.line(map[string]any{"slot": slot, "key": string(key), "value": string(value), "expire_at_ms": expireAt, "changed": changed})
	}
	expires := ""
	if expireAt != 0 {
		expires = fmt.Sprintf(", expires at %d ms", expireAt)
	}
	_, err := fmt.Fprintf(d.out.w, "  %s = %s, changed at %d%s\n", shown(string(key)), shown(string(value)), changed, expires)
	return err
}

func (d *snapshotDump) Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error {
	if d.out.json {
		return d.out.line(map[string]any{"slot": slot, "session": string(id), "seq": seq, "active_ms": active, "reply": string(reply)})
	}
	_, err := fmt.Fprintf(d.out.w, "  session %s, sequence %d, reply %s\n", shown(string(id)), seq, shown(string(reply)))
	return err
}

func (d *snapshotDump) Tombstone(slot uint16, key []byte, index, digest uint64) error {
	if d.out.json {
		return d.out.line(map[string]any{"slot": slot, "deleted": string(key), "index": index, "digest": digest})
	}
	_, err := fmt.Fprintf(d.out.w, "  %s, deleted at %d\n", shown(string(key)), index)
	return err
}
