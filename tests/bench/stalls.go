package main

import (
	"slices"
	"time"

	"raftkv/kv/loadgen"
	"raftkv/shard"
)

// answered is one operation: which slot it was for, and when.
type answered struct {
	slot   uint16
	failed bool
	window
}

// stalls keeps all operations, by client. Each client's are written by one
// goroutine, and read when the load has ended.
type stalls struct{ byClient [][]answered }

func newStalls(clients int) *stalls { return &stalls{byClient: make([][]answered, clients)} }

// observe is for loadgen.Config.Observe.
func (s *stalls) observe(client int, op *loadgen.Op, start, end time.Time) {
	s.byClient[client] = append(s.byClient[client], answered{shard.Slot(op.Key), op.Failure != "", window{start, end}})
}

// latencies are how long some operations took.
type latencies struct {
	p50, p99, p999, longest time.Duration
	count, failed           int
}

// during summarizes the operations of which a part lies in some windows, and none in
// some others; of these slots alone, unless they are nil.
func (s *stalls) during(in []window, slots map[uint16]bool, without []window) (out latencies) {
	var took []time.Duration
	for _, ops := range s.byClient {
		for _, op := range ops {
			switch {
			case !op.overlapsAny(in) || slots != nil && !slots[op.slot] || op.overlapsAny(without):
			case op.failed:
				out.failed++
			default:
				took = append(took, op.end.Sub(op.start))
			}
		}
	}
	if out.count = len(took); out.count == 0 {
		return out
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[min(int(share*float64(len(took))), len(took)-1)] }
	out.p50, out.p99, out.p999, out.longest = at(0.5), at(0.99), at(0.999), took[len(took)-1]
	return out
}
