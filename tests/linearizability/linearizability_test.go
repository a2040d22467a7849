package linearizability

import (
	"fmt"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// Concurrent clients under random kills and pauses see one history that could
// have happened one operation after the other.
func TestLinearizableUnderKillsAndPauses(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := cluster.Start(t, cluster.Options{Groups: 3, Flags: []string{"--replay-budget=100ms"}})
	var keys []string
	for i := range 6 {
		keys = append(keys, fmt.Sprintf("key-%d", i))
	}
	h := NewHistory()
	stop := Work(c, h, keys, seed)
	BreakThings(t, c, seed, Duration(t, time.Minute))
	stop()
	h.Judge(t, seed)
}

// The checker must be able to fail: a stale read is no history.
func TestCheckerFindsStaleRead(t *testing.T) {
	op := func(client int, in Input, out Output, call, end int64) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: end}
	}
	history := []porcupine.Operation{
		op(0, Input{Kind: Set, Key: "x", Value: "1"}, Output{}, 0, 10),
		op(0, Input{Kind: Set, Key: "x", Value: "2"}, Output{}, 20, 30),
		op(1, Input{Kind: Get, Key: "x"}, Output{Found: true, Value: "1"}, 40, 50),
	}
	if result, _ := Check(history, time.Minute); result != porcupine.Illegal {
		t.Errorf("a stale read is judged %v", result)
	}
	history[1].Output, history[1].Return = Output{Unknown: true}, int64(Never)
	if result, _ := Check(history, time.Minute); result != porcupine.Ok {
		t.Errorf("a read before a write of unknown outcome is judged %v", result)
	}
}
