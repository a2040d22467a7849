package fsm

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/btree"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/shard"
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

	changed uint64 // index at which it became what it is, or a later one
	sum     uint64 // hash of all but when
}

// sessions holds the sessions of a group. Not safe for concurrent use; copies
// are independent and cost O(1).
type sessions struct {
	byKey  *btree.BTreeG[*session]
	byAge  *btree.BTreeG[*session]
	memory int64

	digest  *[shard.Slots]uint64 // sums by slot
	count   *[shard.Slots]int32
	touched *[shard.Slots]uint64 // index of the last change that was not an end

	scratch []byte
}

func newSessions() *sessions {
	options := btree.Options{NoLocks: true}
	return &sessions{
		byKey: btree.NewBTreeGOptions(bySlotAndID, options),
		byAge: btree.NewBTreeGOptions(byActivity, options),

		digest:  new([shard.Slots]uint64),
		count:   new([shard.Slots]int32),
		touched: new([shard.Slots]uint64),
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
	new.sum = s.hash(new)
	if old, had := s.byKey.Set(new); had {
		s.byAge.Delete(old)
		s.uncount(old)
	}
	s.byAge.Set(new)
	s.memory += new.bytes()
	s.digest[new.slot] += new.sum
	s.count[new.slot]++
	s.touched[new.slot] = max(s.touched[new.slot], new.changed)
}

// hash covers what a repeated command depends on. When the client was last here
// does not count: groups end and prolong sessions by their own clocks.
func (s *sessions) hash(x *session) uint64 {
	b := binary.BigEndian.AppendUint16(s.scratch[:0], x.slot)
	b = binary.BigEndian.AppendUint64(b, x.seq)
	b = append(append(b, x.id...), 0)
	b = resp.AppendReply(b, &x.reply, 3)
	s.scratch = b
	return xxhash.Sum64(b)
}

func (s *sessions) uncount(x *session) {
	s.memory -= x.bytes()
	s.digest[x.slot] -= x.sum
	s.count[x.slot]--
}

// end forgets sessions that have been idle for SessionIdle at clock (ms). Those
// of slots that migrate are prolonged instead: both groups must have the same
// ones, whatever their clocks. ended is told of each that is forgotten.
func (s *sessions) end(clock int64, index uint64, migrates func(slot uint16) bool, ended func(*session)) {
	for range maxSessionsEndedPerEntry {
		oldest, ok := s.byAge.Min()
		if !ok || oldest.active+SessionIdle.Milliseconds() > clock {
			return
		}
		if migrates(oldest.slot) {
			prolonged := *oldest
			prolonged.active, prolonged.changed = clock, index
			s.remember(&prolonged)
			continue
		}
		s.byAge.Delete(oldest)
		s.byKey.Delete(oldest)
		s.uncount(oldest)
		ended(oldest)
	}
}

// due tells whether end would find a session that has been idle for long enough.
func (s *sessions) due(clock int64) bool {
	oldest, ok := s.byAge.Min()
	return ok && oldest.active+SessionIdle.Milliseconds() <= clock
}

// clear forgets up to limit sessions of the slots from..to and returns how many.
func (s *sessions) clear(from, to uint16, limit int) int {
	var gone []*session
	s.byKey.Ascend(&session{slot: from}, func(x *session) bool {
		if x.slot > to || len(gone) >= limit {
			return false
		}
		gone = append(gone, x)
		return true
	})
	for _, x := range gone {
		s.byKey.Delete(x)
		s.byAge.Delete(x)
		s.uncount(x)
	}
	return len(gone)
}

// copy returns the sessions as they are now, for reading by slot alone.
func (s *sessions) copy() *sessions {
	touched := *s.touched
	return &sessions{byKey: s.byKey.Copy(), touched: &touched}
}

// ascend calls fn for the sessions of a slot until it returns false.
func (s *sessions) ascend(slot uint16, fn func(*session) bool) {
	s.byKey.Ascend(&session{slot: slot}, func(x *session) bool { return x.slot == slot && fn(x) })
}

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
