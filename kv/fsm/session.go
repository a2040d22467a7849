package fsm

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"raftkv/kv"
)

// SessionIdle is how long a session is remembered after its last command, in
// log time: the clock that entries carry, equal on every replica.
const SessionIdle = time.Hour

// maxSessionsEndedPerEntry bounds the work that one entry can bring; the rest
// goes with the next entries. It is part of the state machine's definition:
// every replica must use the same number.
const maxSessionsEndedPerEntry = 1000

// sessionOverhead estimates the memory of a session beside its id and reply.
const sessionOverhead = 200

// session is what a group remembers of one client in one slot: the last
// sequence number and what its command was answered (Raft dissertation,
// section 6.3). It is replaced, never changed, so that a snapshot may share it.
type session struct {
	slot   uint16
	id     string
	seq    uint64
	active int64 // log time in ms of the last command
	reply  kv.Reply
}

// sessions holds the sessions of a group. Not safe for concurrent use; copies
// are independent and cost O(1).
type sessions struct {
	byKey  *btree.BTreeG[*session]
	byAge  *btree.BTreeG[*session]
	memory int64
}

func newSessions() *sessions {
	options := btree.Options{NoLocks: true}
	return &sessions{
		byKey: btree.NewBTreeGOptions(bySlotAndID, options),
		byAge: btree.NewBTreeGOptions(byActivity, options),
	}
}

func bySlotAndID(a, b *session) bool {
	if a.slot != b.slot {
		return a.slot < b.slot
	}
	return strings.Compare(a.id, b.id) < 0
}

func byActivity(a, b *session) bool {
	if a.active != b.active {
		return a.active < b.active
	}
	return bySlotAndID(a, b)
}

// find returns the session of a client in a slot, or nil.
func (s *sessions) find(slot uint16, id []byte) *session {
	found, _ := s.byKey.Get(&session{slot: slot, id: string(id)})
	return found
}

// remember replaces what is known of new's client.
func (s *sessions) remember(new *session) {
	if old, had := s.byKey.Set(new); had {
		s.byAge.Delete(old)
		s.memory -= old.bytes()
	}
	s.byAge.Set(new)
	s.memory += new.bytes()
}

// end forgets sessions that have been idle for SessionIdle at clock (ms).
func (s *sessions) end(clock int64) {
	for range maxSessionsEndedPerEntry {
		oldest, ok := s.byAge.Min()
		if !ok || oldest.active+SessionIdle.Milliseconds() > clock {
			return
		}
		s.byAge.Delete(oldest)
		s.byKey.Delete(oldest)
		s.memory -= oldest.bytes()
	}
}

// clear forgets all sessions of the slots from..to.
func (s *sessions) clear(from, to uint16) {
	var gone []*session
	s.byKey.Ascend(&session{slot: from}, func(x *session) bool {
		if x.slot > to {
			return false
		}
		gone = append(gone, x)
		return true
	})
	for _, x := range gone {
		s.byKey.Delete(x)
		s.byAge.Delete(x)
		s.memory -= x.bytes()
	}
}

// copy returns the sessions as they are now, for bySlot alone.
func (s *sessions) copy() *sessions { return &sessions{byKey: s.byKey.Copy()} }

// bySlot lists all sessions, those of a slot next to each other.
func (s *sessions) bySlot() []*session {
	out := make([]*session, 0, s.byKey.Len())
	s.byKey.Scan(func(x *session) bool {
		out = append(out, x)
		return true
	})
	return out
}

func (s *sessions) len() int { return s.byKey.Len() }

func (x *session) bytes() int64 {
	return int64(len(x.id)+replyBytes(&x.reply)) + sessionOverhead
}

func replyBytes(r *kv.Reply) int {
	n := len(r.Str)
	for i := range r.Elems {
		n += 64 + replyBytes(&r.Elems[i])
	}
	return n
}

// errSeqOutdated refuses a sequence number below the remembered one: its
// command was answered before, and its reply is no longer known.
func errSeqOutdated(seq, last uint64) kv.ReplyError {
	return kv.ReplyError(fmt.Sprintf("SEQOUTDATED sequence number %d is older than %d, the last one of this client in this slot; nothing was done now", seq, last))
}
