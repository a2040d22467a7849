package linearizability

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// history collects operations by key. Safe for concurrent use.
type history struct {
	mu    sync.Mutex
	start time.Time
	byKey map[string][]porcupine.Operation
	count [2]int // known, unknown
}

func (h *history) add(client int, in Input, out Output, call, end time.Time) {
	op := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call.Sub(h.start).Nanoseconds(), Return: end.Sub(h.start).Nanoseconds()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if out.Unknown {
		op.Return = Never
		h.count[1]++
	} else {
		h.count[0]++
	}
	h.byKey[in.Key] = append(h.byKey[in.Key], op)
}

// duration of the run; RAFTKV_TEST_DURATION makes it longer.
func duration(t *testing.T) time.Duration {
	if text := os.Getenv("RAFTKV_TEST_DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return time.Minute
}

// Concurrent clients under random kills and pauses see one history that could
// have happened one operation after the other.
func TestLinearizableUnderKillsAndPauses(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := cluster.Start(t, cluster.Options{Groups: 3, Flags: []string{"--replay-budget=100ms"}})
	h := &history{start: time.Now(), byKey: make(map[string][]porcupine.Operation)}
	var stop atomic.Bool
	var clients sync.WaitGroup
	for id := range 10 {
		clients.Go(func() {
			w := &worker{id: id, rnd: rand.New(rand.NewPCG(seed, uint64(id))), c: c, h: h, session: fmt.Sprintf("session-%d", id)}
			w.run(&stop)
		})
	}
	faults := breakThings(t, c, rand.New(rand.NewPCG(seed, 1000)), duration(t))
	stop.Store(true)
	clients.Wait()
	t.Logf("%d operations with known outcome, %d without, %d faults", h.count[0], h.count[1], faults)
	if h.count[0] < 1000 {
		t.Errorf("only %d operations: this proves little", h.count[0])
	}
	for key, ops := range h.byKey {
		result, info := Check(ops, 2*time.Minute)
		switch result {
		case porcupine.Illegal:
			path := filepath.Join(os.TempDir(), fmt.Sprintf("raftkv-violation-%s-%d.html", key, seed))
			if err := porcupine.VisualizePath(Model, info, path); err != nil {
				t.Error(err)
			}
			t.Errorf("key %s: %d operations are not linearizable; see %s", key, len(ops), path)
		case porcupine.Unknown:
			t.Errorf("key %s: no verdict on %d operations within the time", key, len(ops))
		}
	}
}

// breakThings kills and pauses nodes for a while, a minority or all of them, and
// heals the cluster.
func breakThings(t *testing.T, c *cluster.Cluster, rnd *rand.Rand, total time.Duration) (faults int) {
	t.Helper()
	ids := c.IDs()
	for end := time.Now().Add(total); time.Now().Before(end); faults++ {
		pause := func(most time.Duration) { time.Sleep(time.Duration(rnd.Int64N(int64(most)))) } // the fault's length, not a wait for a condition
		pause(1500 * time.Millisecond)
		id := ids[rnd.IntN(len(ids))]
		if rnd.IntN(2) == 0 {
			id = c.Leader()
		}
		switch rnd.IntN(6) {
		case 0:
			c.KillAll()
		case 1, 2:
			must(t, c.Kill(id))
			pause(time.Second)
		default:
			must(t, c.Pause(id))
			pause(1500 * time.Millisecond)
			must(t, c.Resume(id))
		}
		c.StartAll()
	}
	return faults
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// worker is one client. It writes values that no other write has.
type worker struct {
	id      int
	seq     int
	rnd     *rand.Rand
	c       *cluster.Cluster
	h       *history
	session string
	client  *cluster.Client
	last    map[string]string // what it believes a key to hold, for Swap
}

const keys = 6

func (w *worker) run(stop *atomic.Bool) {
	w.client = w.c.Client()
	defer func() { w.client.Close() }()
	w.last = make(map[string]string)
	for !stop.Load() {
		w.seq++
		in := Input{Key: fmt.Sprintf("key-%d", w.rnd.IntN(keys)), Value: fmt.Sprintf("[%d.%d]", w.id, w.seq)}
		switch n := w.rnd.IntN(20); {
		case n < 7:
			in.Kind, in.Value = Get, ""
		case n < 10:
			in.Kind, in.Value, in.Follower = Get, "", true
		case n < 13:
			in.Kind = Append
		case n < 16:
			in.Kind, in.Old = Swap, w.last[in.Key]
		case n < 17:
			in.Kind, in.Value = Delete, ""
		case n < 18:
			in.Kind = SetOnce
		default:
			in.Kind = Set
		}
		if in.Follower {
			w.readFollower(in)
		} else {
			w.do(in)
		}
	}
}

func (w *worker) do(in Input) {
	var args []string
	switch in.Kind {
	case Get:
		args = []string{"GET", in.Key}
	case Set:
		args = []string{"SET", in.Key, in.Value}
	case SetOnce:
		args = []string{"RAFTKV.ONCE", in.Key, w.session, fmt.Sprint(w.seq), "SET", in.Key, in.Value}
	case Append:
		args = []string{"APPEND", in.Key, in.Value}
	case Swap:
		args = []string{"SET", in.Key, in.Value, "IFEQ", in.Old}
	case Delete:
		args = []string{"DEL", in.Key}
	}
	call := time.Now()
	reply, outcome := w.client.Do(args...)
	// In a session an unknown outcome may be asked for again.
	for tries := 0; in.Kind == SetOnce && outcome != cluster.Done && tries < 20; tries++ {
		time.Sleep(20 * time.Millisecond)
		reply, outcome = w.client.Do(args...)
		if outcome == cluster.Refused {
			outcome = cluster.Unknown // an earlier try may have been done
		}
	}
	w.record(in, reply, outcome, call)
}

func (w *worker) record(in Input, reply kv.Reply, outcome cluster.Outcome, call time.Time) {
	end := time.Now()
	switch {
	case outcome == cluster.Refused:
		time.Sleep(5 * time.Millisecond) // no leader: do not burn the processor
		return
	case outcome == cluster.Unknown:
		if in.Kind != Get {
			// As another client from now on: this one cannot have two operations at once.
			w.h.add(w.id, in, Output{Unknown: true}, call, end)
		}
		return
	case reply.Kind == kv.Error:
		panic(fmt.Sprintf("%+v: %s", in, reply.Str))
	}
	out := Output{}
	switch in.Kind {
	case Get:
		out.Found, out.Value = reply.Kind != kv.Nil, string(reply.Str)
		w.last[in.Key] = out.Value
	case Append:
		out.Length = int(reply.Int)
	case Swap:
		out.Found = reply.Kind != kv.Nil
	case Delete:
		out.Found = reply.Int == 1
	}
	if len(out.Value) > 400 { // keep appended values short
		defer w.do(Input{Kind: Set, Key: in.Key, Value: fmt.Sprintf("[%d.%d+]", w.id, w.seq)})
	}
	w.h.add(w.id, in, out, call, end)
}

// readFollower reads from any node after READONLY.
func (w *worker) readFollower(in Input) {
	ids := w.c.IDs()
	conn, err := cluster.Dial(w.c.At(ids[w.rnd.IntN(len(ids))]).Redis)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := conn.Do("READONLY"); err != nil {
		return
	}
	call := time.Now()
	reply, err := conn.Do("GET", in.Key)
	if err != nil || reply.Kind == kv.Error {
		return
	}
	w.record(in, reply, cluster.Done, call)
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
