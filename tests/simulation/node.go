package simulation

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/raftlog"
	"raftkv/kv/transport"
)

// Timing of the simulated groups: slower than the "local" profile, so that an
// hour has fewer heartbeats.
var timing = group.Timing{Heartbeat: 500 * time.Millisecond, Election: 500 * time.Millisecond, Lease: 500 * time.Millisecond, Commit: 100 * time.Millisecond}

const (
	// hangTimeout is how long a disk may hang before its process ends.
	hangTimeout = 3 * time.Second
	// replayBudget and trailingBytes make snapshots and their installation usual.
	replayBudget  = 2 * time.Millisecond
	trailingBytes = 8 << 10
)

// node is a machine: a disk, a place in the network and now and then a process.
type node struct {
	sim  *sim
	name string
	host *host
	disk *disk

	skew    atomic.Int64  // of its clock, in ns
	held    atomic.Int64  // by how many faults it is kept down
	turn    chan struct{} // capacity 1: had by who starts or stops
	mu      sync.Mutex
	process *process // nil: it is down
	place   map[uint32]replica
}

// replica is what lies, or is to lie, in a group's folder of a node.
type replica struct {
	id       raft.ServerID
	founders []raft.Server // nil: it joins a group
}

// process is a node's run from its start to its crash.
type process struct {
	node      *node
	transport *transport.Transport
	gone      chan struct{} // closed when the process is no more, whatever its goroutines do still
	ended     sync.Once

	mu     sync.Mutex
	groups map[uint32]*group.Group
	closed bool
}

// running returns the node's process, or nil.
func (n *node) running() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// start starts the node's process, if there is none, with all replicas that are
// placed there. It returns when they are open.
func (n *node) start() {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	n.mu.Lock()
	if n.process != nil || n.sim.ctx.Err() != nil {
		n.mu.Unlock()
		return
	}
	p := &process{node: n, gone: make(chan struct{}), groups: make(map[uint32]*group.Group)}
	var err error
	p.transport, err = transport.Listen(transport.Options{
		Addr: n.host.addr, Node: n.name, Cluster: func() string { return "sim" },
		Handle: p.serve, Network: n.host.port(), Logger: n.sim.log(n),
	})
	if err != nil {
		panic(err) // the network in memory does not fail
	}
	n.process = p
	place := make(map[uint32]replica)
	for id, r := range n.place {
		place[id] = r
	}
	n.mu.Unlock()
	for _, id := range n.sim.groupIDs() {
		if r, ok := place[id]; ok {
			p.open(id, r)
		}
	}
}

// open opens a replica.
func (p *process) open(id uint32, r replica) {
	n := p.node
	folder := n.disk.open(id)
	logger := n.sim.log(n)
	g, err := group.Open(group.Config{
		ID: id, Cluster: "sim", Node: n.name, Replica: r.id, Dir: n.sim.dir, Timing: timing,
		Transport: p.transport.Group(id, r.id),
		Log: raftlog.Options{
			Medium: folder, HangTimeout: hangTimeout, Faults: roomy{}, Broken: n.sim.options.Broken.gates(),
		},
		Snapshots: snapshots{folder}, Founders: r.founders,
		ReplayBudget: replayBudget, TrailingBytes: trailingBytes,
		AskReadIndex: p.askReadIndex(id),
		AskTurn:      p.askTurn(id),
		Fatal:        func(err error) { n.sim.background.Go(func() { p.fatal(err) }) },
		Observe: group.Observer{Leadership: func(_ uint64, serving bool) {
			if serving {
				n.sim.seen.leaders.Add(1)
			}
		}},
		Now:    func() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) },
		Logger: logger, RaftLog: n.sim.raftLog(n, id),
	})
	if err != nil {
		if !p.isGone() {
			n.sim.violate("%s: replica %s does not open: %v", n.name, r.id, err)
		}
		return
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.groups[id] = g
	}
	p.mu.Unlock()
	if closed {
		g.Close()
	}
}

// closeGroup closes one replica.
func (p *process) closeGroup(id uint32) {
	p.mu.Lock()
	g := p.groups[id]
	delete(p.groups, id)
	p.mu.Unlock()
	if g != nil {
		g.Close()
	}
}

// group returns a replica, or nil.
func (p *process) group(id uint32) *group.Group {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.groups[id]
}

// list returns the replicas.
func (p *process) list() []*group.Group {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*group.Group, 0, len(p.groups))
	for _, id := range p.node.sim.groupIDs() {
		if g := p.groups[id]; g != nil {
			out = append(out, g)
		}
	}
	return out
}

func (p *process) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// fatal ends a process that has told that it must stop. That is right if its
// disk was made to hang, and a violation otherwise.
func (p *process) fatal(err error) {
	if p.isGone() {
		return
	}
	p.node.sim.note("%s stops: %v", p.node.name, err)
	if !p.node.sim.hangs(p.node) {
		p.node.sim.violate("%s stops: %v", p.node.name, err)
	}
	p.node.crash()
}

// takeProcess returns the process, if one runs, for the caller alone to end it.
func (n *node) takeProcess() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.process
	n.process = nil
	return p
}

// crash ends the process at once, as a loss of power does. What it had going is
// cleaned up in the background: nobody sees anything of it any more.
func (n *node) crash() {
	p := n.takeProcess()
	if p == nil {
		return
	}
	p.ended.Do(func() {
		close(p.gone)
		n.host.net.down(n.host)
		n.disk.crash()
		n.sim.background.Go(p.close)
	})
}

// stop ends the process in order.
func (n *node) stop() {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	p := n.takeProcess()
	if p == nil {
		return
	}
	p.ended.Do(func() {
		p.close()
		close(p.gone)
		n.disk.release()
	})
}

// close waits until all of the process has ended.
func (p *process) close() {
	p.mu.Lock()
	groups := p.groups
	p.groups, p.closed = nil, true
	p.mu.Unlock()
	var wait sync.WaitGroup
	for _, g := range groups {
		wait.Go(func() { g.Close() })
	}
	wait.Wait()
	p.transport.Close()
}

// roomy is a disk with room.
type roomy struct{}

func (roomy) Before(string) error  { return nil }
func (roomy) Free() (uint64, bool) { return math.MaxUint64, true }

func (roomy) Torn() (float64, func(), bool) { return 0, nil, false }

// Calls between nodes.
const (
	callReadIndex uint8 = 1 // group 4 bytes, applied 8 bytes -> index 8 bytes
	callMove      uint8 = 2 // group 4 bytes, migration 8 bytes, its command -> JSON migrate.Status
	callTurn      uint8 = 3 // group 4 bytes, group.Turn in 8 bytes, replica id -> replica id
)

func (p *process) serve(ctx context.Context, method uint8, payload []byte) ([]byte, error) {
	if len(payload) < 12 {
		return nil, errors.New("12 bytes expected at least")
	}
	g := p.group(binary.BigEndian.Uint32(payload))
	if g == nil || method == callMove && !g.Serving() {
		return nil, kv.ErrNoLeader
	}
	number := binary.BigEndian.Uint64(payload[4:])
	switch method {
	case callReadIndex:
		index, err := g.ServeReadIndex(ctx, number)
		if err != nil {
			return nil, err
		}
		return binary.BigEndian.AppendUint64(nil, index), nil
	case callTurn:
		turn, err := g.ServeTurn(raft.ServerID(payload[12:]), group.Turn(number))
		return []byte(turn), err
	case callMove:
		status, err := fsm.Move(ctx, group.Leader{Group: g}, number, payload[12:])
		if err != nil {
			return nil, err
		}
		return json.Marshal(status)
	}
	return nil, fmt.Errorf("call %d is not known", method)
}

func (p *process) askReadIndex(id uint32) func(context.Context, raft.ServerAddress, uint64) (uint64, error) {
	return func(ctx context.Context, peer raft.ServerAddress, applied uint64) (uint64, error) {
		if peer == "" || string(peer) == p.node.host.addr {
			return 0, kv.ErrNoLeader
		}
		request := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, id), applied)
		answer, err := p.transport.Call(ctx, string(peer), callReadIndex, request)
		if err != nil {
			return 0, err
		}
		return binary.BigEndian.Uint64(answer), nil
	}
}

func (p *process) askTurn(id uint32) func(context.Context, raft.ServerAddress, raft.ServerID, group.Turn) (raft.ServerID, error) {
	return func(ctx context.Context, peer raft.ServerAddress, replica raft.ServerID, turn group.Turn) (raft.ServerID, error) {
		request := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, id), uint64(turn))
		whose, err := p.transport.Call(ctx, string(peer), callTurn, append(request, replica...))
		return raft.ServerID(whose), err
	}
}

// log returns where a node logs to: nowhere, unless the run is verbose.
func (s *sim) log(n *node) *slog.Logger {
	if s.options.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(s.options.Log, nil)).With("node", n.name)
}

func (s *sim) raftLog(n *node, id uint32) hclog.Logger {
	if s.options.Log == nil {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Name: fmt.Sprintf("%s/%d", n.name, id), Output: s.options.Log, Level: hclog.Info})
}
