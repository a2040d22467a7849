package linearizability

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// workers is how many clients work at the same time.
const workers = 10

// Work lets clients work on keys of a cluster and write down what they see, until
// the function that it returns is called, which waits for them.
func Work(c *cluster.Cluster, h *History, keys []string, seed uint64) (stop func()) {
	var stopped atomic.Bool
	var clients sync.WaitGroup
	for id := range workers {
		clients.Go(func() {
			w := &worker{id: id, rnd: rand.New(rand.NewPCG(seed, uint64(id))), c: c, keys: keys, h: h, session: fmt.Sprintf("session-%d", id)}
			w.run(&stopped)
		})
	}
	return func() {
		stopped.Store(true)
		clients.Wait()
	}
}

// worker is one client. It writes values that no other write has.
type worker struct {
	id      int
	seq     int
	rnd     *rand.Rand
	c       *cluster.Cluster
	keys    []string
	h       *History
	session string
	client  *cluster.Client
	last    map[string]string // what it believes a key to hold, for Swap
}

func (w *worker) run(stop *atomic.Bool) {
	w.client = w.c.Client()
	defer func() { w.client.Close() }()
	w.last = make(map[string]string)
	for !stop.Load() {
		w.seq++
		in := Input{Key: w.keys[w.rnd.IntN(len(w.keys))], Value: fmt.Sprintf("[%d.%d]", w.id, w.seq)}
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
