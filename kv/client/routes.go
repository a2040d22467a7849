package client

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"raftkv/shard"
)

// routes says which node serves which slot, as far as is known. It may be wrong
// at any time: nodes correct it with MOVED.
type routes struct {
	opts   *Options
	owners [shard.Slots]atomic.Pointer[node] // nil: not known

	mu     sync.Mutex
	nodes  map[string]*node // by address
	list   []*node          // the same; replaced, never changed
	closed bool
}

func newRoutes(opts *Options) *routes {
	t := &routes{opts: opts, nodes: make(map[string]*node)}
	for _, addr := range opts.Addrs {
		t.node(addr)
	}
	return t
}

// node returns the node at addr, which becomes known by that.
func (t *routes) node(addr string) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[addr]
	if n == nil {
		n = newNode(addr, t.opts)
		n.retired = t.closed
		t.nodes[addr] = n
		t.list = append(slices.Clip(t.list), n)
	}
	return n
}

// keep forgets all nodes but those at addrs and those of the options.
func (t *routes) keep(addrs []string) {
	t.mu.Lock()
	var gone []*node
	t.list = slices.DeleteFunc(slices.Clone(t.list), func(n *node) bool {
		if slices.Contains(addrs, n.addr) || slices.Contains(t.opts.Addrs, n.addr) {
			return false
		}
		gone = append(gone, n)
		delete(t.nodes, n.addr)
		return true
	})
	t.mu.Unlock()
	for _, n := range gone {
		n.retire()
	}
}

func (t *routes) known() []*node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

// owner returns the node that serves slot, or nil.
func (t *routes) owner(slot uint16) *node { return t.owners[slot].Load() }

func (t *routes) setOwner(slot uint16, n *node) { t.owners[slot].Store(n) }

// unsetOwner forgets that n serves slot; what is newer stays.
func (t *routes) unsetOwner(slot uint16, n *node) { t.owners[slot].CompareAndSwap(n, nil) }

// any returns some node by chance, if possible one that works and is not avoid.
func (t *routes) any(avoid *node) *node {
	list := t.known()
	start := rand.IntN(len(list))
	var second *node
	for i := range list {
		n := list[(start+i)%len(list)]
		switch {
		case n == avoid:
		case !n.suspect():
			return n
		case second == nil:
			second = n
		}
	}
	if second != nil {
		return second
	}
	return list[start]
}

func (t *routes) close() {
	t.mu.Lock()
	t.closed = true
	list := t.list
	t.mu.Unlock()
	for _, n := range list {
		n.retire()
	}
}
