package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/kv/ask"
	"raftkv/kv/fault"
	"raftkv/kv/launch"
	"raftkv/shard"
)

// Breaker injects faults into a cluster: those of processes by itself, on the machine
// of a local cluster, and all others by asking the nodes. Not safe for concurrent use,
// but for Move.
type Breaker struct {
	local   *launch.Cluster // nil: processes cannot be broken
	cluster cluster
}

// NewBreaker returns a breaker of a cluster whose nodes have these HTTP addresses.
// local may be nil.
func NewBreaker(local *launch.Cluster, addrs []string, password string) *Breaker {
	return &Breaker{local: local, cluster: cluster{addrs, password}}
}

// errNotLocal is why processes of other machines' clusters are not broken.
var errNotLocal = errors.New("only processes of a cluster on this machine can be broken")

// Break lets the cluster have faults for a while, begun one after the other (those of
// nodes that follow each other at the same time), undoes them, and brings back the nodes that ended of them. Those of nodes last longer by
// after. It returns as soon as ctx ends; then Heal must be called.
func (b *Breaker) Break(ctx context.Context, faults []fault.Fault, last, after time.Duration) error {
	var noted []string
	for len(faults) > 0 {
		// A node that is asked waits for all others, and one may hang.
		n := 1
		for !faults[0].OfProcess() && n < len(faults) && !faults[n].OfProcess() {
			n++
		}
		ids, err := b.beginAll(ctx, faults[:n], last+after)
		if err != nil {
			return err
		}
		if faults[0].OfProcess() {
			noted = append(noted, ids...)
		}
		faults = faults[n:]
	}
	sleep(ctx, last)
	if ctx.Err() != nil {
		return nil
	}
	err := b.revive(ctx)
	for _, id := range noted {
		// After kill-all nobody remembers it.
		b.cluster.any(ctx, http.MethodDelete, "/v1/faults/"+id, nil, nil)
	}
	sleep(ctx, after)
	return err
}

// beginAll begins faults at the same time.
func (b *Breaker) beginAll(ctx context.Context, faults []fault.Fault, last time.Duration) ([]string, error) {
	ids, errs := make([]string, len(faults)), make([]error, len(faults))
	var all sync.WaitGroup
	for i, f := range faults {
		all.Go(func() { ids[i], errs[i] = b.begin(ctx, f, last) })
	}
	all.Wait()
	return ids, errors.Join(errs...)
}

// begin begins a fault and returns its id. Those of processes stay until they are
// undone, and the nodes take note of them alone.
func (b *Breaker) begin(ctx context.Context, f fault.Fault, last time.Duration) (id string, err error) {
	f.For = last
	if f.OfProcess() {
		f.For += 10 * time.Second // it is undone before, or whoever would has died
		if b.local == nil {
			return "", errNotLocal
		}
	}
	var st kv.FaultStatus
	err = b.cluster.any(ctx, http.MethodPost, "/v1/faults", map[string]any{"fault": f.String(), "noted": f.OfProcess()}, &st)
	if err == nil && f.OfProcess() {
		err = b.strike(f)
	}
	return st.ID, err
}

func (b *Breaker) strike(f fault.Fault) error {
	names := f.Nodes
	if f.Kind == fault.KillAll {
		nodes, err := b.local.Nodes()
		if err != nil {
			return err
		}
		for _, n := range nodes {
			names = append(names, n.ID)
		}
	}
	do := b.local.Kill
	switch f.Kind {
	case fault.Kill, fault.KillAll:
	case fault.Pause:
		do = b.local.Pause
	default:
		return fmt.Errorf("%s is not for checks", f.Kind)
	}
	errs := make(chan error, len(names))
	for _, name := range names {
		go func() { errs <- do(name) }()
	}
	var all []error
	for range names {
		if err := <-errs; !errors.Is(err, launch.ErrNotRunning) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// revive resumes nodes that hang and starts those that have ended, and waits until
// they answer. They need not serve yet.
func (b *Breaker) revive(ctx context.Context) error {
	if b.local == nil {
		return nil
	}
	nodes, err := b.local.Nodes()
	if err != nil {
		return err
	}
	var started []*launch.Process
	for _, n := range nodes {
		switch n.State() {
		case launch.Paused:
			if err := b.local.Resume(n.ID); err != nil {
				return err
			}
		case launch.Dead:
			p, err := b.local.Start(n.ID)
			if err != nil {
				return err
			}
			started = append(started, p)
		}
	}
	for _, p := range started {
		if err := b.local.WaitHealthy(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Heal ends all faults and brings back all nodes. It waits until they answer.
func (b *Breaker) Heal(ctx context.Context) error {
	for {
		err := b.revive(ctx)
		if err == nil {
			err = b.cluster.any(ctx, http.MethodDelete, "/v1/faults", nil, nil)
		}
		var no *ask.Refusal
		if err == nil || ctx.Err() != nil || errors.As(err, &no) && b.local == nil {
			return err
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// reviveEach is how often dead nodes are looked for while all are waited for.
const reviveEach = time.Second

// AwaitReady waits until all nodes serve. A fault may end a node's process a moment
// after it was healed, as one that was about to tear a write, so nodes that have ended
// are started all the time.
func (b *Breaker) AwaitReady(ctx context.Context) error {
	for {
		round, cancel := context.WithTimeout(ctx, reviveEach)
		err := b.cluster.awaitReady(round)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := b.revive(ctx); err != nil {
			return err
		}
	}
}

// Enabled returns nil if the nodes permit faults.
func (b *Breaker) Enabled(ctx context.Context) error {
	return b.cluster.any(ctx, http.MethodGet, "/v1/faults", nil, nil)
}

// Move begins to move a slot to another group than the one that has it. choice
// decides which.
func (b *Breaker) Move(ctx context.Context, slot uint16, choice int) (what string, err error) {
	m, err := b.cluster.shardMap(ctx)
	if err != nil {
		return "", err
	}
	others := slices.DeleteFunc(owners(m), func(id uint32) bool { return id == m.Owner[slot] })
	if len(others) == 0 {
		return "", errOneGroup
	}
	to := others[choice%len(others)]
	what = fmt.Sprintf("move slot %d from group %d to group %d", slot, m.Owner[slot], to)
	return what, b.cluster.any(ctx, http.MethodPost, "/v1/migrations", map[string]any{"slots": [][2]uint16{{slot, slot}}, "to": to, "reason": "check"}, nil)
}

// owners lists the groups that can own slots.
func owners(m *shard.Map) (out []uint32) {
	for _, g := range m.Groups {
		if g.ID != shard.Controller && g.Founded {
			out = append(out, g.ID)
		}
	}
	return out
}

// manyGroups returns an error if slots cannot move, since one group has all.
func (b *Breaker) manyGroups(ctx context.Context) error {
	m, err := b.cluster.shardMap(ctx)
	if err == nil && len(owners(m)) < 2 {
		err = errOneGroup
	}
	return err
}

var errOneGroup = errors.New("there is no other group that slots could move to")

// Leader returns the node that leads the group of a slot, or "".
func (b *Breaker) Leader(ctx context.Context, slot uint16) string {
	s, err := b.cluster.status(ctx)
	if err != nil {
		return ""
	}
	for _, g := range s.Groups {
		for _, r := range g.Slots {
			if r.From() <= slot && slot <= r.To() {
				return g.Leader
			}
		}
	}
	return ""
}

// Nodes lists the nodes.
func (b *Breaker) Nodes(ctx context.Context) (out []string, err error) {
	s, err := b.cluster.status(ctx)
	for _, n := range s.Nodes {
		out = append(out, n.ID)
	}
	return out, err
}
