package server_test

import (
	"context"
	"net"
	"sync"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/server"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/heat"
)

// fakeNode is a node that leads all of its groups: a slot belongs to the group of its
// number modulo theirs.
type fakeNode struct{ groups []*fakeGroup }

func (n *fakeNode) Route(slot uint16) server.Route {
	return server.Route{Group: n.groups[int(slot)%len(n.groups)], Leader: true, LeaderAddr: func() string { return "" }}
}

func (n *fakeNode) Led() (all []server.Group) {
	for _, g := range n.groups {
		all = append(all, g)
	}
	return all
}

func (n *fakeNode) Local() []server.Group     { return n.Led() }
func (n *fakeNode) Changed() <-chan struct{}  { return nil }
func (n *fakeNode) Topology() server.Topology { return server.Topology{} }
func (n *fakeNode) Info() server.Info         { return server.Info{} }
func (n *fakeNode) OverMemory() bool          { return false }

// fakeGroup executes at once, unless it is held.
type fakeGroup struct {
	id   uint32
	heat *heat.Counter

	mu    sync.Mutex
	store *store.Store
	index uint64
	// refuses is how many proposed commands it answers with kv.ErrUnserved.
	refuses int

	gate  sync.RWMutex // locked while it is held
	held  sync.WaitGroup
	asked chan struct{} // has a value once a proposal has come
}

func newFakeGroup(id uint32) *fakeGroup {
	return &fakeGroup{id: id, heat: heat.New(1e9), store: store.New(), asked: make(chan struct{}, 1)}
}

func (g *fakeGroup) ID() uint32          { return g.id }
func (g *fakeGroup) Serves(uint16) bool  { return true }
func (g *fakeGroup) Heat() *heat.Counter { return g.heat }
func (g *fakeGroup) Quorum() int         { return 1 }
func (g *fakeGroup) hold()               { g.gate.Lock() }
func (g *fakeGroup) release()            { g.gate.Unlock() }
func (g *fakeGroup) View(f func(*store.Store)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g.store)
}

func (g *fakeGroup) ReadIndex(context.Context, group.ReadMode) error {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return nil
}

func (g *fakeGroup) Propose(proposals ...*group.Proposal) {
	mine := append([]*group.Proposal(nil), proposals...)
	select {
	case g.asked <- struct{}{}:
	default:
	}
	g.held.Go(func() {
		g.gate.RLock()
		defer g.gate.RUnlock()
		for _, p := range mine {
			g.apply(p)
			p.Finish()
		}
	})
}

func (g *fakeGroup) apply(p *group.Proposal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fsm.EachCommand(p.Commands, func(args [][]byte) {
		g.index++
		g.store.Advance(1, g.index)
		if g.refuses > 0 {
			g.refuses--
			p.Replies = append(p.Replies, kv.ErrUnserved.Reply())
			return
		}
		p.Replies = append(p.Replies, g.execute(&command.Ctx{Store: g.store, MaxValue: 1 << 20}, args))
	})
}

// execute runs a command, or those of a transaction without watched keys.
func (g *fakeGroup) execute(x *command.Ctx, args [][]byte) kv.Reply {
	if string(args[0]) != command.ExecName {
		return command.Lookup(args[0]).Exec(x, args)
	}
	_, commands, _ := command.DecodeExec(args)
	all := kv.Reply{Kind: kv.Array}
	for _, c := range commands {
		all.Elems = append(all.Elems, command.Lookup(c[0]).Exec(x, c))
	}
	return all
}

// plainListener hides that its connections have sockets, so that the server gives each
// a goroutine.
type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plainConn{nc}, nil
}

type plainConn struct{ net.Conn }

func slotOf(key string) uint16 { return shard.Slot([]byte(key)) }

// of returns the group of a key's slot.
func (w *world) of(key string) *fakeGroup { return w.groups[int(slotOf(key))%len(w.groups)] }

// refuse lets a group have none of the slots for the next commands in its log.
func (g *fakeGroup) refuse(commands int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuses = commands
}
