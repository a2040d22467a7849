package fsm

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
	"raftkv/shard"
	"raftkv/snapshot"
)

// receive installs a chunk, all of it or nothing.
func (s *state) receive(m *migration, b []byte) error {
	in := &received{migration: m}
	if err := snapshot.ReadChunk(b, in); err != nil {
		return err
	}
	for i := range in.records {
		switch r := &in.records[i]; r.kind {
		case receivedKey:
			s.store.Install(r.key, r.value, r.expireAt)
		case receivedTombstone:
			s.store.Uninstall(r.key)
		case receivedSession:
			r.session.changed = s.store.Index()
			s.sessions.remember(r.session)
		}
	}
	return nil
}

// received collects the records of a chunk. They point into its bytes, but for
// sessions, which stay.
type received struct {
	migration *migration
	records   []receivedRecord
}

type receivedRecord struct {
	kind       uint8
	key, value []byte
	expireAt   int64
	session    *session
}

const (
	receivedKey uint8 = iota
	receivedTombstone
	receivedSession
)

var _ snapshot.Records = (*received)(nil)

func (in *received) Slot(slot uint16, _ uint64) error {
	if !slices.ContainsFunc(in.migration.Slots, func(r shard.Range) bool { return r.Contains(slot) }) {
		return fmt.Errorf("slot %d is not in the migration", slot)
	}
	return nil
}

func (in *received) Key(slot uint16, key, value []byte, expireAt int64, _ uint64) error {
	in.records = append(in.records, receivedRecord{kind: receivedKey, key: key, value: value, expireAt: expireAt})
	return inSlot(slot, key)
}

func (in *received) Tombstone(slot uint16, key []byte, _, _ uint64) error {
	in.records = append(in.records, receivedRecord{kind: receivedTombstone, key: key})
	return inSlot(slot, key)
}

func inSlot(slot uint16, key []byte) error {
	if shard.Slot(key) != slot {
		return fmt.Errorf("key %.40q is not of slot %d", key, slot)
	}
	return nil
}

func (in *received) Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error {
	if len(id) == 0 || len(id) > command.MaxClientID {
		return fmt.Errorf("a session's id has %d bytes", len(id))
	}
	decoded, err := readReply(reply)
	if err != nil {
		return fmt.Errorf("the reply of session %q: %v", id, err)
	}
	in.records = append(in.records, receivedRecord{
		kind:    receivedSession,
		session: &session{slot: slot, id: string(id), seq: seq, active: active, reply: decoded},
	})
	return nil
}

// readReply decodes a session's reply, which is all of b.
func readReply(b []byte) (kv.Reply, error) {
	in := bufio.NewReader(bytes.NewReader(b))
	reply, err := resp.ReadReply(in)
	if err == nil && in.Buffered() > 0 {
		err = fmt.Errorf("%d bytes follow it", in.Buffered())
	}
	return reply, err
}
