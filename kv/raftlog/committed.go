package raftlog

import (
	"bytes"
	"encoding/binary"

	"github.com/hashicorp/raft"
)

// Raft keeps on disk what is in the log, not what is committed of it: after a restart
// nothing may be applied before somebody is elected. But an entry can say how far
// the log was committed when it was proposed. Who proposes one puts that into its
// extensions, and whoever finds the entry in his log may believe it: what is committed
// stays so in every term, and a log that has the entry has what came before it as the
// proposer had it (Raft, "log matching"). So nearly all of a log can be applied while
// its members still elect.
//
// A claim is 9 bytes: its format, 1, and the index, big endian.
const (
	claimFormat = 1
	claimSize   = 9
)

// Claim makes the extensions of an entry that is proposed when the log is committed up
// to index for good: a quorum has it on disk. On a leader that is what it has applied, and
// less than what raft calls committed (Options.Early).
func Claim(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{claimFormat}, index)
}

// claimed returns what an entry says is committed, 0 if nothing.
func claimed(log *raft.Log) uint64 {
	if len(log.Extensions) != claimSize || log.Extensions[0] != claimFormat {
		return 0
	}
	index := binary.BigEndian.Uint64(log.Extensions[1:])
	if index >= log.Index {
		return 0 // nonsense: what is committed comes before what is proposed
	}
	return index
}

// Committed is what a log itself tells of how far it is committed.
type Committed struct {
	Index, Term uint64 // of the last entry that is known to be; 0: none is
	// MembersIndex is that of the newest change of membership up to there, 0 if the
	// log holds none, and Members its data.
	MembersIndex uint64
	Members      []byte
}

// prover finds that out by looking at all entries in order.
type prover struct {
	index   uint64
	terms   []termStart
	changes []change // of membership
}

type termStart struct{ term, first uint64 }

type change struct {
	index   uint64
	members []byte
}

func (p *prover) see(log *raft.Log) {
	p.index = max(p.index, claimed(log))
	if n := len(p.terms); n == 0 || p.terms[n-1].term != log.Term {
		p.terms = append(p.terms, termStart{log.Term, log.Index})
	}
	if log.Type == raft.LogConfiguration {
		p.changes = append(p.changes, change{log.Index, bytes.Clone(log.Data)})
	}
}

// committed returns what follows from the entries that were seen.
func (p *prover) committed() (out Committed) {
	for _, t := range p.terms {
		if t.first <= p.index {
			out.Index, out.Term = p.index, t.term
		}
	}
	for _, c := range p.changes {
		if c.index <= out.Index {
			out.MembersIndex, out.Members = c.index, c.members
		}
	}
	return out
}

// Committed returns what the log told of itself when it was checked.
func (l *Log) Committed() Committed {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.committed
}

// Each calls fn for the entries from..to, which must lie in the log, in order, until it
// fails. An entry and its data are fn's until it returns.
func (l *Log) Each(from, to uint64, fn func(*raft.Log) error) error {
	if store, ok := l.entries.(reader); ok {
		return store.each(from, to, fn)
	}
	for index := from; index <= to; index++ {
		var log raft.Log
		if err := l.GetLog(index, &log); err != nil {
			return err
		}
		if err := fn(&log); err != nil {
			return err
		}
	}
	return nil
}
