package transport

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// inFlight bounds the appends under way to one follower. Each may have 32 MiB.
const inFlight = 4

// pipeline sends appends without waiting for the answers to earlier ones. Raft
// owns it and calls AppendEntries from one goroutine.
type pipeline struct {
	group    *Group
	target   raft.ServerID
	conn     *clientConn
	sent     chan *appendFuture
	answered chan raft.AppendFuture
	stop     chan struct{}
	once     sync.Once
	done     chan struct{}
}

var _ raft.AppendPipeline = (*pipeline)(nil)

// AppendEntriesPipeline opens a pipeline to a follower.
func (g *Group) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	c, err := g.t.peer(string(target)).bulk.get(g.ctx)
	if err != nil {
		return nil, err
	}
	p := &pipeline{
		group: g, target: id, conn: c,
		sent:     make(chan *appendFuture, inFlight),
		answered: make(chan raft.AppendFuture, inFlight),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go p.collect()
	return p, nil
}

// AppendEntries sends. It blocks while too many are under way.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	f := &appendFuture{start: time.Now(), args: args, resp: resp, done: make(chan struct{})}
	honest := p.group.honest(args)
	x := &exchange{conn: p.conn, done: make(chan struct{}), sending: p.group.sendingAppend(p.target, honest)}
	if err := p.conn.start(x, methodAppend, p.group.id, func(dst []byte) []byte { return encodeAppend(dst, p.target, honest) }); err != nil {
		return nil, err
	}
	f.exchange = x
	select {
	case p.sent <- f:
		return f, nil
	case <-p.stop:
		return nil, raft.ErrPipelineShutdown
	}
}

// collect waits for the answers in the order of the requests.
func (p *pipeline) collect() {
	defer close(p.done)
	for {
		select {
		case f := <-p.sent:
			f.err = p.group.finishAppend(bulkTimeout, f.exchange, p.target, f.start, f.args, f.resp)
			close(f.done)
			select {
			case p.answered <- f:
			case <-p.stop:
				return
			}
		case <-p.stop:
			return
		}
	}
}

// Consumer returns the appends that were answered.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.answered }

// Close gives up what is under way. It does not wait for the answer that may be
// awaited now: that ends with its timeout, its connection or its group.
func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.stop) })
	return nil
}

// appendFuture is an append in a pipeline.
type appendFuture struct {
	start    time.Time
	args     *raft.AppendEntriesRequest
	resp     *raft.AppendEntriesResponse
	exchange *exchange
	err      error
	done     chan struct{}
}

var _ raft.AppendFuture = (*appendFuture)(nil)

func (f *appendFuture) Error() error {
	<-f.done
	return f.err
}
func (f *appendFuture) Start() time.Time                      { return f.start }
func (f *appendFuture) Request() *raft.AppendEntriesRequest   { return f.args }
func (f *appendFuture) Response() *raft.AppendEntriesResponse { return f.resp }
