package group

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/gather"
)

// Bounds of the proposer.
const (
	// maxEntryBytes cuts entries: beyond about 512 KiB an entry delays
	// heartbeats that share its connection. A larger proposal travels alone.
	maxEntryBytes = 512 << 10
	// maxQueueBytes and maxQueued bound what waits for the entry in flight.
	maxQueueBytes = 64 << 20
	maxQueued     = 1 << 17
)

// writeRule says for whom an entry waits: all who are likely to come, since an entry costs
// three nodes about as much as thirty of its commands.
var writeRule = gather.Rule{Prompt: 2, Patience: 3, Share: 1, Most: 256}

// proposer turns the proposals of all connections into raft entries. All that
// wait become ONE entry, and one entry is in flight at a time: while it is on
// its way to the disks the next one collects. With an entry a command, or with
// several in flight, throughput was a third (design: "Which parts").
type proposer struct {
	apply   func(entry []byte, timeout time.Duration) raft.ApplyFuture
	want    func(entry []byte)
	now     func() int64 // ms since the Unix epoch
	timeout time.Duration
	observe func(commands, bytes int, took time.Duration)
	trace   entryTrace

	mu     sync.Mutex
	queue  []*Proposal
	bytes  int
	need   int // how many must wait before signal tells so
	closed bool
	signal chan struct{} // capacity 1: need proposals wait
	stop   chan struct{}
	done   chan struct{}
}

func newProposer(p *proposer) *proposer {
	p.need = 1
	p.signal = make(chan struct{}, 1)
	p.stop = make(chan struct{})
	p.done = make(chan struct{})
	return p
}

// propose queues proposals. It never blocks.
func (q *proposer) propose(proposals ...*Proposal) {
	now := time.Now()
	q.mu.Lock()
	var refused []*Proposal
	var why kv.ReplyError
	for _, p := range proposals {
		if err := q.refusal(p); err != "" {
			refused, why = append(refused, p), err
			continue
		}
		p.queuedAt = now
		q.queue = append(q.queue, p)
		q.bytes += len(p.Commands)
	}
	enough := len(q.queue) >= q.need || q.bytes >= maxEntryBytes
	q.mu.Unlock()
	if enough {
		q.wake()
	}
	fail(refused, why)
}

// refusal tells why p cannot be queued; the caller holds mu.
func (q *proposer) refusal(p *Proposal) kv.ReplyError {
	switch {
	case q.closed:
		return kv.ErrClosing
	case len(q.queue) >= maxQueued || q.bytes+len(p.Commands) > maxQueueBytes && len(q.queue) > 0:
		return kv.ErrBusy
	}
	return ""
}

func (q *proposer) wake() {
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// waiting tells how many proposals and bytes wait.
func (q *proposer) waiting() (proposals, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue), q.bytes
}

// take removes what the next entry carries.
func (q *proposer) take(batch []*Proposal) []*Proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, n := 0, 0
	for n < len(q.queue) {
		p := q.queue[n]
		if n > 0 && (size+len(p.Commands) > maxEntryBytes || p.kind != q.queue[0].kind) {
			break
		}
		size += len(p.Commands)
		n++
	}
	batch = append(batch[:0], q.queue[:n]...)
	rest := copy(q.queue, q.queue[n:])
	clear(q.queue[rest:])
	q.queue = q.queue[:rest]
	q.bytes -= size
	return batch
}

// run proposes until close is called.
func (q *proposer) run() {
	defer close(q.done)
	var batch []*Proposal
	company := gather.New(writeRule)
	for {
		select {
		case <-q.signal:
		case <-q.stop:
			q.drain()
			return
		}
		for {
			q.await(company)
			batch = q.take(batch)
			if len(batch) == 0 {
				break
			}
			start, prompt := time.Now(), 0
			for _, p := range batch {
				if company.Prompt(p.answered, p.queuedAt) {
					prompt++
				}
			}
			q.submit(batch)
			waiting, _ := q.waiting()
			company.Finished(prompt, waiting, time.Since(start))
			clear(batch)
		}
	}
}

// await waits for proposals that should travel with those that wait already.
func (q *proposer) await(company *gather.Gather) {
	waiting, bytes := q.waiting()
	want, limit := company.Next(waiting)
	if want == 0 || bytes >= maxEntryBytes {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	q.expect(want)
	defer q.expect(1)
	for {
		select {
		case <-q.signal:
			if waiting, bytes = q.waiting(); waiting >= want || bytes >= maxEntryBytes {
				company.Gathered(true)
				return
			}
		case <-timer.C:
			company.Gathered(false)
			return
		case <-q.stop:
			return
		}
	}
}

// expect sets how many proposals must wait before run is told.
func (q *proposer) expect(n int) {
	q.mu.Lock()
	q.need = n
	enough := len(q.queue) >= n
	q.mu.Unlock()
	if enough {
		q.wake()
	}
}

// submit makes one entry of batch, waits for its outcome and answers.
func (q *proposer) submit(batch []*Proposal) {
	size, commands := 0, 0
	for _, p := range batch {
		size += len(p.Commands)
		commands += len(p.Ends)
	}
	kind := batch[0].kind
	if kind == 0 {
		kind = fsm.Commands
		if commands == 0 {
			kind = fsm.Tick
		}
	}
	entry := fsm.AppendHeader(make([]byte, 0, 16+size), kind, q.now())
	for _, p := range batch {
		entry = append(entry, p.Commands...)
	}
	q.want(entry)
	start := time.Now()
	p := proposing{batch, kind, commands, len(entry), start}
	q.trace.proposed(p)
	future := q.apply(entry, q.timeout)
	// submit does not return before raft has answered, and so outlasts the goroutine;
	// whoever closes the group waits for run.
	outcome := make(chan error, 1)
	go func() { outcome <- future.Error() }()

	timer := time.NewTimer(q.timeout)
	defer timer.Stop()
	select {
	case err := <-outcome:
		if err != nil {
			q.trace.answered(p, nil, outcomeOf(err))
			fail(batch, outcomeOf(err))
			return
		}
		q.trace.answered(p, future.Response(), nil)
		answer(batch, future.Response())
		if q.observe != nil {
			q.observe(commands, len(entry), time.Since(start))
		}
	case <-timer.C:
		// The clients are told the truth now. The next entry must still wait:
		// one in flight keeps the order of a connection's commands.
		q.trace.answered(p, nil, kv.Uncertain(context.DeadlineExceeded))
		fail(batch, kv.Uncertain(context.DeadlineExceeded))
		q.outlast(outcome)
	}
}

// outlast waits for the outcome of an entry whose clients have been answered.
// Meanwhile those who queue up are refused when they have waited too long:
// nothing of theirs was done.
func (q *proposer) outlast(outcome <-chan error) {
	tick := time.NewTicker(q.timeout / 4)
	defer tick.Stop()
	for {
		select {
		case <-outcome:
			return
		case <-tick.C:
			q.expire(time.Now().Add(-q.timeout))
		case <-q.stop:
			q.drain()
			<-outcome
			return
		}
	}
}

// expire refuses proposals queued before t.
func (q *proposer) expire(t time.Time) {
	q.mu.Lock()
	n := 0
	for n < len(q.queue) && q.queue[n].queuedAt.Before(t) {
		q.bytes -= len(q.queue[n].Commands)
		n++
	}
	late := append([]*Proposal(nil), q.queue[:n]...)
	rest := copy(q.queue, q.queue[n:])
	clear(q.queue[rest:])
	q.queue = q.queue[:rest]
	q.mu.Unlock()
	fail(late, kv.ErrBusy)
}

// drain refuses all that waits.
func (q *proposer) drain() {
	q.mu.Lock()
	waiting := q.queue
	q.queue, q.bytes = nil, 0
	q.mu.Unlock()
	fail(waiting, kv.ErrClosing)
}

// close refuses new proposals and those that wait. The one in flight is
// answered when raft answers it; wait for that with <-q.done.
func (q *proposer) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.stop)
	}
}

// outcomeOf tells definite failures from uncertain ones. Only those that raft
// reports before it has touched its log are definite.
func outcomeOf(err error) kv.ReplyError {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return kv.ErrNoLeader
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return kv.ErrBusy
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return kv.ErrNotReady
	}
	// raft.ErrRaftShutdown among them: raft says so of committed entries, too, that its
	// state machine takes no more.
	return kv.Uncertain(err)
}

func fail(batch []*Proposal, err kv.ReplyError) {
	for _, p := range batch {
		p.fail(err)
	}
}

// answer hands every proposal its part of the entry's replies.
func answer(batch []*Proposal, response any) {
	result, ok := response.(*fsm.Result)
	if !ok {
		err, _ := response.(error)
		fail(batch, kv.Uncertain(err))
		return
	}
	replies, now := result.Replies, time.Now()
	for _, p := range batch {
		n := min(len(p.Ends), len(replies))
		p.Replies = append(p.Replies, replies[:n]...)
		replies = replies[n:]
		p.term, p.index = result.Term, result.Index
		if n < len(p.Ends) {
			p.fail(kv.ErrUncertain) // the entry did not decode to its end
			continue
		}
		p.answered = now
		p.Finish()
	}
}
