package transport

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/pulse"
)

// reconnectWait is how long an append waits for a peer that cannot be reached.
// If it failed at once, raft would wait longer after each failure, up to 10 s,
// and a node that comes back would hear nothing for as long.
const reconnectWait = time.Minute

// snapshotStall is how long a snapshot's transfer may make no progress.
const snapshotStall = 30 * time.Second

// installTimeout bounds how long a follower may take to restore a snapshot that
// it has received.
const installTimeout = 10 * time.Minute

// AckFunc is told of each AppendEntries that peer has answered in the same term:
// when it had been sent, and up to which index the peer's log is known to match
// (0: the answer does not tell). It must not block.
type AckFunc func(peer raft.ServerID, term uint64, sent time.Time, match uint64)

// Group is the transport of one replica, as raft wants it.
type Group struct {
	t       *Transport
	id      uint32
	replica raft.ServerID
	consume chan raft.RPC
	ctx     context.Context
	cancel  context.CancelFunc
	onAck   atomic.Pointer[AckFunc]
	onBeat  atomic.Pointer[func()]
	receive atomic.Pointer[func(*raft.AppendEntriesRequest)]
	disk    Disk

	// Guarded by t.beats.mu.
	beaters  map[raft.ServerID]*beater
	asked    bool      // raft was asked to beat, and no loop has come back since
	askAfter time.Time // it is not asked before

	mu               sync.Mutex
	heartbeatHandler func(raft.RPC)
}

var (
	_ raft.Transport   = (*Group)(nil)
	_ raft.WithPreVote = (*Group)(nil)
	_ raft.WithClose   = (*Group)(nil)
)

func newGroup(t *Transport, id uint32, replica raft.ServerID) *Group {
	g := &Group{t: t, id: id, replica: replica, consume: make(chan raft.RPC, queued), beaters: make(map[raft.ServerID]*beater)}
	g.ctx, g.cancel = context.WithCancel(t.ctx)
	return g
}

// OnAck sets who is told of answered appends.
func (g *Group) OnAck(fn AckFunc) { g.onAck.Store(&fn) }

// OnBeat sets who is told that raft shall send its next heartbeats to all followers,
// as VerifyLeader makes it. It must not block.
func (g *Group) OnBeat(fn func()) { g.onBeat.Store(&fn) }

// OnAppend sets who sees, and may change, what a leader sends before raft does. It must
// not block.
func (g *Group) OnAppend(fn func(*raft.AppendEntriesRequest)) { g.receive.Store(&fn) }

// Close takes the replica off the network. What is under way fails.
func (g *Group) Close() error {
	g.cancel()
	g.t.removeGroup(g)
	return nil
}

// Consumer returns the requests of other replicas.
func (g *Group) Consumer() <-chan raft.RPC { return g.consume }

// LocalAddr returns the address that other replicas send to.
func (g *Group) LocalAddr() raft.ServerAddress { return raft.ServerAddress(g.t.opts.Addr) }

// Pulse returns what this node's heartbeats leave at.
func (g *Group) Pulse() *pulse.Pulse { return g.t.opts.Pulse }

// EncodePeer and DecodePeer are for logs of early raft versions.
func (g *Group) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// DecodePeer is the reverse of EncodePeer.
func (g *Group) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler sets the short cut for heartbeats past raft's main loop.
func (g *Group) SetHeartbeatHandler(fn func(raft.RPC)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heartbeatHandler = fn
}

// AppendEntries sends entries, or a heartbeat, and waits for the answer.
func (g *Group) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if isHeartbeat(args) {
		return g.beat(id, target, args, resp)
	}
	ctx, cancel := context.WithTimeout(g.ctx, reconnectWait)
	defer cancel()
	c, err := g.t.peer(string(target)).bulk.wait(ctx)
	if err != nil {
		return err
	}
	sent := time.Now()
	honest := g.honest(args)
	x := &exchange{conn: c, done: make(chan struct{}), sending: g.sendingAppend(id, honest)}
	if err := c.start(x, methodAppend, g.id, func(dst []byte) []byte { return encodeAppend(dst, id, honest) }); err != nil {
		return err
	}
	return g.finishAppend(bulkTimeout, x, id, sent, args, resp)
}

func (g *Group) finishAppend(timeout time.Duration, x *exchange, id raft.ServerID, sent time.Time, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	ctx, cancel := context.WithTimeout(g.ctx, timeout)
	defer cancel()
	payload, err := x.wait(ctx)
	if err == nil {
		err = decodeAppendAnswer(payload, resp)
	}
	g.traceAppendReturned(x.id, id, x.sending != nil, sent, args, resp, err)
	if err != nil {
		return err
	}
	g.acknowledge(id, sent, args, resp)
	return nil
}

// Confirm sends a heartbeat of term to each of the peers, without waiting: the
// answers come to OnAck. It is what raft's VerifyLeader makes raft send, on a
// shorter way. Whoever calls it must have led in term: then the heartbeat says
// nothing that raft has not said itself, even if leadership has ended since.
func (g *Group) Confirm(peers []raft.Server, term uint64) {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(g.replica), Addr: []byte(g.LocalAddr())}
	args := &raft.AppendEntriesRequest{RPCHeader: header, Term: term}
	for _, peer := range peers {
		if peer.ID == g.replica {
			continue
		}
		c := g.t.peer(string(peer.Address)).urgent.live()
		if c == nil {
			continue
		}
		sent := time.Now()
		x := &exchange{conn: c, answered: func(payload []byte, err error) {
			var resp raft.AppendEntriesResponse
			if err == nil && decodeAppendAnswer(payload, &resp) == nil {
				g.acknowledge(peer.ID, sent, args, &resp)
			}
		}}
		// An error is that of a broken connection: nobody answers, and the reader
		// asks again or gives up.
		c.start(x, methodAppend, g.id, func(dst []byte) []byte { return encodeAppend(dst, peer.ID, args) })
	}
}

func (g *Group) acknowledge(id raft.ServerID, sent time.Time, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) {
	fn := g.onAck.Load()
	if fn == nil || resp.Term != args.Term {
		return
	}
	var match uint64
	if resp.Success && !isHeartbeat(args) {
		match = args.PrevLogEntry + uint64(len(args.Entries))
	}
	(*fn)(id, args.Term, sent, match)
}

// isHeartbeat tells what raft sends to show that it leads; see its
// processHeartbeat.
func isHeartbeat(a *raft.AppendEntriesRequest) bool {
	return a.Term != 0 && len(a.Entries) == 0 && a.PrevLogEntry == 0 && a.PrevLogTerm == 0 && a.LeaderCommitIndex == 0
}

// roundTrip sends a small request and waits for its answer.
func (g *Group) roundTrip(id raft.ServerID, target raft.ServerAddress, timeout time.Duration, m method, args any, build func([]byte) []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(g.ctx, timeout)
	defer cancel()
	c, err := g.t.peer(string(target)).urgent.get(ctx)
	if err != nil {
		return nil, err
	}
	sent := time.Now()
	x := &exchange{conn: c, done: make(chan struct{}), sending: func(number uint64) { g.traceSent(number, id, time.Time{}, args) }}
	if err := c.start(x, m, g.id, build); err != nil {
		return nil, err
	}
	payload, err := x.wait(ctx)
	g.traceReturned(x.id, id, sent, args, payload, err)
	return payload, err
}

// RequestVote asks for a vote.
func (g *Group) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	payload, err := g.roundTrip(id, target, urgentTimeout, methodVote, args, func(dst []byte) []byte { return encodeVote(dst, id, args) })
	if err != nil {
		return err
	}
	return decodeVoteAnswer(payload, resp)
}

// RequestPreVote asks whether a vote would be given.
func (g *Group) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	payload, err := g.roundTrip(id, target, urgentTimeout, methodPreVote, args, func(dst []byte) []byte { return encodePreVote(dst, id, args) })
	if err != nil {
		return err
	}
	return decodePreVoteAnswer(payload, resp)
}

// TimeoutNow makes a follower start an election, to hand leadership over. Raft takes
// no entries until it returns.
func (g *Group) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	payload, err := g.roundTrip(id, target, transferTimeout, methodTimeoutNow, args, func(dst []byte) []byte { return encodeTimeoutNow(dst, id, args) })
	if err != nil {
		return err
	}
	return decodeTimeoutNowAnswer(payload, resp)
}

// InstallSnapshot streams a snapshot over a connection of its own.
func (g *Group) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	number, sent := g.t.numbers.Add(1), time.Now()
	g.traceSent(number, id, time.Time{}, args)
	payload, err := g.sendSnapshot(number, id, target, args, data)
	g.traceReturned(number, id, sent, args, payload, err)
	if err != nil {
		return err
	}
	return decodeSnapshotAnswer(payload, resp)
}

func (g *Group) sendSnapshot(number uint64, id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, data io.Reader) ([]byte, error) {
	// A slow disk may keep the other side from taking more for a while.
	nc, err := g.t.dial(string(target), false, writeTimeout)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(g.ctx, func() { nc.Close() })
	defer stop()
	defer nc.Close()
	head := appendFrame(nil, frame{kind: request, method: methodSnapshot, group: g.id, id: number}, func(dst []byte) []byte {
		return encodeSnapshot(dst, id, args)
	})
	nc.SetDeadline(time.Now().Add(snapshotStall))
	if _, err := nc.Write(head); err != nil {
		return nil, err
	}
	buf, chunk := make([]byte, chunkSize), make([]byte, 0, chunkHeader+chunkSize)
	for left := args.Size; left > 0; {
		n, err := io.ReadFull(data, buf[:min(int64(len(buf)), left)])
		if err != nil {
			return nil, fmt.Errorf("read the snapshot: %w", err)
		}
		nc.SetDeadline(time.Now().Add(snapshotStall))
		if _, err := nc.Write(appendChunk(chunk, buf[:n])); err != nil {
			return nil, fmt.Errorf("send the snapshot to %s: %w", id, err)
		}
		left -= int64(n)
	}
	nc.SetDeadline(time.Now().Add(installTimeout))
	f, err := readFrame(bufio.NewReader(nc))
	if err != nil {
		return nil, fmt.Errorf("%s has not confirmed the snapshot: %w", id, err)
	}
	return f.result()
}

// execute hands a request of node from to raft and returns raft's answer.
func (g *Group) execute(ctx context.Context, from string, f frame, data io.Reader) ([]byte, error) {
	target, command, err := decodeRequest(f.method, f.payload)
	if err != nil {
		return nil, err
	}
	if target != g.replica {
		// Whoever that was has voted and acknowledged under its name. This
		// replica has no part in that and must not speak for it.
		return nil, fmt.Errorf("the replica here is %s, not %s", g.replica, target)
	}
	if args, ok := command.(*raft.AppendEntriesRequest); ok {
		if receive := g.receive.Load(); receive != nil {
			(*receive)(args)
		}
	}
	began := time.Now()
	followed := g.follows(command)
	if followed {
		g.traceReceived(f.id, from, time.Time{}, command)
	}
	responses := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: command, RespChan: responses}
	if s, ok := command.(*raft.InstallSnapshotRequest); ok {
		rpc.Reader = io.LimitReader(data, s.Size)
	}
	select {
	case g.consume <- rpc:
	case <-g.ctx.Done():
		return nil, errTransportClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	payload, err := g.response(ctx, responses)
	if err == nil {
		err = g.vouch(command)
	}
	g.traceAnswered(f.id, from, followed, began, command, payload, err)
	return payload, err
}

func (g *Group) response(ctx context.Context, responses <-chan raft.RPCResponse) ([]byte, error) {
	select {
	case r := <-responses:
		if r.Error != nil {
			return nil, r.Error
		}
		return encodeAnswer(r.Response)
	case <-g.ctx.Done():
		return nil, errTransportClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
