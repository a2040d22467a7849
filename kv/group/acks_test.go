package group

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// Leadership is confirmed by voters that answered, in the same term, what was
// sent after the read began. raft's VerifyLeader takes less.
func TestConfirmed(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	type answer struct {
		peer raft.ServerID
		term uint64
		sent int
	}
	for _, c := range []struct {
		name    string
		voters  []raft.ServerID
		answers []answer
		read    int // when the read begins
		want    bool
	}{
		{"alone", []raft.ServerID{"a"}, nil, 5, true},
		{"nobody answered", []raft.ServerID{"a", "b", "c"}, nil, 5, false},
		{"one of two others, sent after", []raft.ServerID{"a", "b", "c"}, []answer{{"b", 7, 6}}, 5, true},
		{"sent at the same moment", []raft.ServerID{"a", "b", "c"}, []answer{{"b", 7, 5}}, 5, true},
		{"sent before the read", []raft.ServerID{"a", "b", "c"}, []answer{{"b", 7, 4}, {"c", 7, 3}}, 5, false},
		{"of an older term", []raft.ServerID{"a", "b", "c"}, []answer{{"b", 6, 9}}, 5, false},
		{"of a newer term", []raft.ServerID{"a", "b", "c"}, []answer{{"b", 8, 9}}, 5, false},
		{"of a non-voter", []raft.ServerID{"a", "b", "c"}, []answer{{"d", 7, 9}}, 5, false},
		{"one of four others", []raft.ServerID{"a", "b", "c", "d", "e"}, []answer{{"b", 7, 9}}, 5, false},
		{"two of four others", []raft.ServerID{"a", "b", "c", "d", "e"}, []answer{{"b", 7, 9}, {"e", 7, 6}}, 5, true},
		{"two of three others", []raft.ServerID{"a", "b", "c", "d"}, []answer{{"b", 7, 9}, {"c", 7, 9}}, 5, true},
		{"one of three others", []raft.ServerID{"a", "b", "c", "d"}, []answer{{"b", 7, 9}}, 5, false},
		{"a late answer to an old request", []raft.ServerID{"a", "b", "c"}, []answer{{"b", 7, 9}, {"b", 7, 2}}, 5, true},
		{"the leader is no voter", []raft.ServerID{"b", "c"}, []answer{{"b", 7, 9}}, 5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			acks := newAcks("a")
			for _, a := range c.answers {
				acks.record(a.peer, a.term, at(a.sent), 0)
			}
			confirmed, _ := acks.confirmed(7, c.voters, at(c.read))
			if got := !confirmed.Before(at(c.read)); got != c.want {
				t.Errorf("confirmed at %v: %v, want %v", confirmed.Sub(start), got, c.want)
			}
		})
	}
}

func TestConfirmedTellsOfChanges(t *testing.T) {
	acks := newAcks("a")
	_, changed := acks.confirmed(1, []raft.ServerID{"a", "b", "c"}, time.Now())
	select {
	case <-changed:
		t.Fatal("nothing has changed")
	default:
	}
	acks.record("b", 1, time.Now(), 3)
	<-changed
	if match, _ := acks.match("b", 1); match != 3 {
		t.Errorf("match is %d", match)
	}
	if match, heard := acks.match("b", 2); match != 0 || !heard.IsZero() {
		t.Errorf("match of another term is %d", match)
	}
}

// Whoever waits for a quorum's answers learns at once that the replica leads no longer.
func TestQuorumOfATermThatHasEnded(t *testing.T) {
	g := openAlone(t)
	defer g.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan kv.ReplyError, 1)
	asked := make(chan struct{}, 1)
	go func() {
		ended <- g.awaitQuorum(ctx, g.Term(), time.Now(), func() []raft.ServerID {
			select {
			case asked <- struct{}{}:
			default:
			}
			return []raft.ServerID{"n1.1", "n2.1", "n3.1"}
		})
	}()
	<-asked
	g.serve(0)
	if err := <-ended; err != kv.ErrNotReady {
		t.Errorf("%q, want %q", err, kv.ErrNotReady)
	}
}
