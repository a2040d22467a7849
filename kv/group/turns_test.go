package group

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"raftkv/kv"
)

// asking is one question to a leader: after a pause, by a replica, and what it is
// answered.
type asking struct {
	after   time.Duration
	replica raft.ServerID
	turn    Turn
	want    raft.ServerID
}

// Replicas write one after the other, the leader last, and none waits for one that
// does not ask any more.
func TestSnapshotTurns(t *testing.T) {
	const half = 500 * time.Millisecond
	for _, x := range []struct {
		what  string
		leads time.Duration // for so long, before the first question
		steps []asking
	}{
		{"a new leader lets those who write tell it first", 0, []asking{
			{0, "b", TurnWanted, ""},
			{half, "c", TurnTaken, "c"},
			{turnLapse, "c", TurnTaken, "c"},
			{0, "b", TurnWanted, "c"},
		}},
		{"one after the other, by who has waited longest", time.Hour, []asking{
			{0, "c", TurnWanted, "c"},
			{half, "b", TurnWanted, "c"},
			{half, "c", TurnTaken, "c"},
			{0, "b", TurnWanted, "c"},
			{half, "c", TurnWanted, "b"}, // it has written and wants to again
			{half, "b", TurnWanted, "b"},
			{0, "b", TurnTaken, "b"},
			{half, "c", TurnWanted, "b"},
			{half, "b", TurnWanted, "c"},
		}},
		{"the leader lets followers pass that are due a little later", time.Hour, []asking{
			{0, "a", TurnWanted, ""},
			{half, "b", TurnWanted, "b"},
			{0, "a", TurnWanted, "b"},
			{0, "c", TurnWanted, "b"},
			{0, "a", TurnWanted, "b"},
			{turnLapse, "c", TurnWanted, "b"},
			{time.Millisecond, "c", TurnWanted, "c"}, // b has not asked again
			{0, "a", TurnWanted, "c"},
		}},
		{"but those that come later wait for the leader", time.Hour, []asking{
			{0, "a", TurnWanted, ""},
			{half, "b", TurnWanted, "b"},
			{half, "a", TurnWanted, "b"},
			{half, "c", TurnWanted, "b"}, // more than leaderLast later
			{0, "b", TurnTaken, "b"},
			{half, "c", TurnWanted, "b"},
			{0, "a", TurnWanted, "b"},
			{half, "b", TurnWanted, "a"},
		}},
		{"the leader alone", time.Hour, []asking{
			{0, "a", TurnWanted, ""},
			{half, "a", TurnWanted, ""},
			{half, "a", TurnWanted, "a"},
		}},
		{"one that writes without its turn keeps others waiting", time.Hour, []asking{
			{0, "b", TurnTaken, "b"},
			{half, "c", TurnWanted, "b"},
			{turnLapse - half, "c", TurnWanted, "b"},
			{time.Millisecond, "c", TurnWanted, "c"},
		}},
		{"one that has written and tells so", time.Hour, []asking{
			{0, "b", TurnWanted, "b"},
			{0, "b", TurnTaken, "b"},
			{0, "c", TurnWanted, "b"},
			{half, "b", TurnOver, ""},
			{0, "c", TurnWanted, "c"},
			{0, "b", TurnOver, ""}, // once more
			{0, "a", TurnWanted, "c"},
		}},
		{"one that stopped to wait does not keep others waiting", time.Hour, []asking{
			{0, "b", TurnTaken, "b"},
			{half, "c", TurnWanted, "b"},
			{half, "a", TurnWanted, "b"},
			{turnLapse, "a", TurnWanted, "a"},
		}},
	} {
		t.Run(x.what, func(t *testing.T) {
			now := time.Unix(1000, 0)
			turns := newSnapshotTurns("a")
			turns.begin(now, 7)
			now = now.Add(x.leads)
			for i, s := range x.steps {
				now = now.Add(s.after)
				if got := turns.ask(now, 7, s.replica, s.turn); got != s.want {
					t.Fatalf("question %d, of %s: it is the turn of %q, want %q", i+1, s.replica, got, s.want)
				}
			}
		})
	}
}

// What a replica was granted in an earlier term, a new leadership of the same replica
// does not know; a question of that term is answered no more.
func TestSnapshotTurnsOfAnEarlierTerm(t *testing.T) {
	now := time.Unix(1000, 0)
	turns := newSnapshotTurns("a")
	turns.begin(now, 7)
	now = now.Add(time.Hour)
	turns.begin(now, 7) // after a transfer that failed
	if got := turns.ask(now, 7, "b", TurnWanted); got != "b" {
		t.Errorf("in the same term: %q", got)
	}
	turns.begin(now, 9)
	for _, x := range []struct {
		term uint64
		turn Turn
		want raft.ServerID
	}{{7, TurnWanted, ""}, {9, TurnWanted, ""}, {9, TurnTaken, "c"}} {
		if got := turns.ask(now, x.term, "c", x.turn); got != x.want {
			t.Errorf("question %d of term %d: %q, want %q", x.turn, x.term, got, x.want)
		}
	}
}

// As long as all that write and wait keep asking, whoever leads, no two write at a
// time, and each that waits gets its turn.
func TestSnapshotTurnsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []raft.ServerID{"a", "b", "c", "d"}
		leaders := make(map[raft.ServerID]*snapshotTurns)
		for _, id := range ids {
			leaders[id] = newSnapshotTurns(id)
		}
		now, term := time.Unix(1000, 0), uint64(1)
		leader := ids[0]
		leaders[leader].begin(now, term)
		left := make(map[raft.ServerID]int) // of a replica that writes: how many more questions
		waits := make(map[raft.ServerID]int)
		for range rapid.IntRange(1, 300).Draw(t, "rounds") {
			now = now.Add(snapshotInterval)
			if rapid.IntRange(0, 30).Draw(t, "elects") == 0 {
				leader, term = rapid.SampledFrom(ids).Draw(t, "leader"), term+1
				leaders[leader].begin(now, term)
				clear(waits) // a new leader reckons anew
			}
			for _, id := range rapid.Permutation(ids).Draw(t, "order") {
				if left[id] > 0 {
					left[id]--
					leaders[leader].ask(now, term, id, TurnTaken)
					if left[id] == 0 && rapid.Bool().Draw(t, "tells that it is over") {
						leaders[leader].ask(now, term, id, TurnOver)
					}
					continue
				}
				if turn := leaders[leader].ask(now, term, id, TurnWanted); turn != id {
					waits[id]++
					continue
				}
				waits[id] = 0
				left[id] = rapid.IntRange(1, 6).Draw(t, "length")
			}
			writing := 0
			for id, n := range left {
				if n > 0 {
					writing++
				}
				// The others write for 6 rounds at most each; a term begins with as many
				// as turnLapse has, and the leader lets others pass.
				if waits[id] > 3*7+int(turnLapse/snapshotInterval)+3*int(leaderLast/snapshotInterval) {
					t.Fatalf("%s has waited for %d rounds", id, waits[id])
				}
			}
			if writing > 1 {
				t.Fatalf("%d write at a time: %v", writing, left)
			}
		}
	})
}

// A replica waits while others write, each within a bound, and not for long if it is
// told nothing.
func TestTurnWait(t *testing.T) {
	unheard := errors.New("nobody answers")
	others := []raft.ServerID{"b", "c", "d"}
	for _, x := range []struct {
		what string
		ask  func(asked int) (raft.ServerID, error)
		want time.Duration
	}{
		{"it is its turn", func(int) (raft.ServerID, error) { return "a", nil }, 0},
		{"another's, for ever", func(int) (raft.ServerID, error) { return "b", nil }, leastWait},
		{"nobody's, for ever", func(int) (raft.ServerID, error) { return "", nil }, leastWait},
		{"nobody leads", func(int) (raft.ServerID, error) { return "", kv.ErrNoLeader }, leastWait},
		{"no answer, ever", func(int) (raft.ServerID, error) { return "", unheard }, unansweredWait},
		{"an answer now and then", func(asked int) (raft.ServerID, error) {
			if asked%10 == 0 {
				return "b", nil
			}
			return "", unheard
		}, leastWait},
		{"no answer any more", func(asked int) (raft.ServerID, error) {
			if asked <= 10 {
				return "b", nil
			}
			return "", unheard
		}, unansweredWait + 10*snapshotInterval},
		{"one after the other, each within its time, for ever", func(asked int) (raft.ServerID, error) {
			return others[asked/100%3], nil
		}, mostWait},
		{"one after the other, the third too long", func(asked int) (raft.ServerID, error) {
			return others[min(asked/100, 2)], nil
		}, 200*snapshotInterval + leastWait},
	} {
		w := &turnWait{self: "a", each: leastWait, log: slog.New(slog.DiscardHandler)}
		began := time.Unix(1000, 0)
		now := began
		for asked := 0; ; asked++ {
			turn, err := x.ask(asked)
			if w.over(now, turn, err) {
				break
			}
			now = now.Add(snapshotInterval)
		}
		if got := now.Sub(began); got != x.want {
			t.Errorf("%s: it waits for %v, want %v", x.what, got, x.want)
		}
	}
}
