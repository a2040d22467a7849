package raftlog

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// What entries say of the log before them is found at the next start, with the term and
// the members at that point; nonsense is not believed.
func TestCommittedIsProved(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		dir := t.TempDir()
		l := open(t, Options{Dir: dir, Store: store}, 0)
		var logs []*raft.Log
		for i := uint64(1); i <= 12; i++ {
			log := entry(i, 1+i/5)
			switch i {
			case 1, 4, 11:
				log.Type = raft.LogConfiguration
			case 8:
				log.Extensions = Claim(7)
			case 9:
				log.Extensions = Claim(3) // a new leader that knows less
			case 10:
				log.Extensions = Claim(10)
			case 12:
				log.Extensions = []byte("another's")
			}
			logs = append(logs, log)
		}
		if err := l.StoreLogs(logs); err != nil {
			t.Fatal(err)
		}
		if l.Committed().Index != 0 {
			t.Errorf("an empty log proves %+v", l.Committed())
		}
		l.Close()
		l = open(t, Options{Dir: dir, Store: store}, 0)
		defer l.Close()
		if got := l.Committed(); got.Index != 7 || got.Term != 2 || got.MembersIndex != 4 || !bytes.Equal(got.Members, logs[3].Data) {
			t.Errorf("the log proves %+v", got)
		}
		var seen []uint64
		stop := errors.New("enough")
		err := l.Each(2, 12, func(log *raft.Log) error {
			if !bytes.Equal(log.Data, logs[log.Index-1].Data) {
				t.Errorf("entry %d is %q", log.Index, log.Data)
			}
			if seen = append(seen, log.Index); len(seen) == 5 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || len(seen) != 5 || seen[0] != 2 || seen[4] != 6 {
			t.Errorf("entries %v were read: %v", seen, err)
		}
	})
}
