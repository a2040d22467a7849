package simulation

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/migrate"
)

// moves stands for the controller: it records which group owns a slot and what
// moves, and lets drivers and operators work until that is done.
type moves struct {
	under sync.WaitGroup

	mu        sync.Mutex
	epoch     uint64
	owner     [shard.Slots]uint32
	running   []*shard.Migration
	replacing map[uint32]bool // groups whose members change
}

var _ migrate.Record = (*moves)(nil)

// own notes that a group has its first slots.
func (v *moves) own(id uint32, r shard.Range) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.epoch = 1
	for slot := int(r.From()); slot <= int(r.To()); slot++ {
		v.owner[slot] = id
	}
}

// wait waits until nothing moves.
func (v *moves) wait() { v.under.Wait() }

// begin moves a key's slot to another group, unless it is moving.
func (v *moves) begin(s *sim, rnd *rand.Rand, key string) {
	slot := shard.Slot([]byte(key))
	v.mu.Lock()
	for _, m := range v.running {
		if m.Slots[0].Contains(slot) {
			v.mu.Unlock()
			return
		}
	}
	v.epoch++
	from := v.owner[slot]
	to := (from-1+1+uint32(rnd.IntN(s.groups-1)))%uint32(s.groups) + 1
	m := &shard.Migration{Epoch: v.epoch, Slots: []shard.Range{{slot, slot}}, From: from, To: to}
	v.running = append(v.running, m)
	v.mu.Unlock()
	s.note("migration %d: slot %d from group %d to %d", m.Epoch, slot, from, to)
	v.under.Go(func() { v.drive(s, rand.New(rand.NewPCG(rnd.Uint64(), 0)), *m) })
}

// drive lets driver after driver work on a migration, each on the node that leads
// the source, until it has ended. Some drivers die of nothing.
func (v *moves) drive(s *sim, rnd *rand.Rand, m shard.Migration) {
	for s.ctx.Err() == nil {
		if g, p := s.leaderOf(m.From); g != nil {
			ctx, cancel := context.WithCancel(s.ctx)
			if rnd.IntN(4) == 0 {
				ctx, cancel = context.WithTimeout(s.ctx, time.Duration(rnd.Int64N(int64(2*time.Second))))
			}
			stop := context.AfterFunc(ctx, func() {})
			s.background.Go(func() {
				select {
				case <-p.gone:
					cancel()
				case <-ctx.Done():
				}
			})
			err := migrate.Run(ctx, m, fsm.Source{Group: group.Leader{Group: g}}, p.target(m.To), v, migrate.Options{Run: rnd.Uint64})
			stop()
			cancel()
			if err == nil && !p.isGone() {
				s.note("migration %d ends", m.Epoch)
				s.seen.migrations.Add(1)
				return
			}
			if migrateRefused(err) {
				s.violate("migration %d: %v", m.Epoch, err)
				return
			}
		}
		sleep(s.ctx, 300*time.Millisecond)
	}
}

func migrateRefused(err error) bool {
	return errors.Is(err, migrate.ErrRefused) || errors.Is(err, migrate.ErrMismatch)
}

// target executes a migration's commands on the leader of a group, wherever that
// is.
func (p *process) target(id uint32) fsm.Target {
	return func(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if g := p.group(id); g != nil && g.Serving() {
			return fsm.Move(ctx, group.Leader{Group: g}, number, command)
		}
		_, at := p.node.sim.leaderOf(id)
		if at == nil || at == p {
			return migrate.Status{}, kv.ErrNoLeader
		}
		request := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, id), number)
		answer, err := p.transport.Call(ctx, at.node.host.addr, callMove, append(request, command...))
		if err != nil {
			return migrate.Status{}, err
		}
		var status migrate.Status
		return status, json.Unmarshal(answer, &status)
	}
}

// Ended tells whether a migration is over.
func (v *moves) Ended(number uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !slices.ContainsFunc(v.running, func(m *shard.Migration) bool { return m.Epoch == number })
}

// Canceled tells whether a migration is to be undone.
func (v *moves) Canceled(number uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.running {
		if m.Epoch == number {
			return m.Canceled
		}
	}
	return false
}

// cancelOne cancels a migration and returns its number, or 0.
func (v *moves) cancelOne() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.running {
		if !m.Canceled {
			m.Canceled = true
			return m.Epoch
		}
	}
	return 0
}

// Finish makes the target the owner.
func (v *moves) Finish(_ context.Context, number uint64) error { return v.end(number, true) }

// Abort leaves the source the owner.
func (v *moves) Abort(_ context.Context, number uint64) error { return v.end(number, false) }

func (v *moves) end(number uint64, moved bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, m := range v.running {
		if m.Epoch != number {
			continue
		}
		if moved {
			v.owner[m.Slots[0].From()] = m.To
		}
		v.running = append(v.running[:i], v.running[i+1:]...)
		break
	}
	return nil
}

// replace moves a group's replica from one node to another: the new one comes
// without a vote, votes when it has caught up, and then the old one goes.
func (v *moves) replace(s *sim, id uint32, from, to *node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.replacing == nil {
		v.replacing = make(map[uint32]bool)
	}
	if v.replacing[id] {
		return
	}
	v.replacing[id] = true
	old, fresh := from.replica(id), s.replicaID(to)
	s.note("group %d: %s replaces %s", id, fresh, old)
	v.under.Go(func() {
		to.add(id, replica{id: fresh})
		v.until(s, id, func(ctx context.Context, g *group.Group) error {
			return g.AddNonvoter(ctx, fresh, raft.ServerAddress(to.host.addr))
		})
		v.until(s, id, func(ctx context.Context, g *group.Group) error {
			if !g.CaughtUp(fresh) {
				return errors.New("not caught up")
			}
			return g.Promote(ctx, fresh)
		})
		v.until(s, id, func(ctx context.Context, g *group.Group) error {
			if g.Replica() == old {
				g.TransferLeadership("")
				return errors.New("it leads")
			}
			return g.RemoveReplica(ctx, old)
		})
		if s.ctx.Err() == nil {
			from.remove(id)
			s.note("group %d: %s has replaced %s", id, fresh, old)
			s.seen.replaced.Add(1)
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.replacing[id] = false
	})
}

// until has a group's leader do something until it has succeeded.
func (v *moves) until(s *sim, id uint32, do func(context.Context, *group.Group) error) {
	for s.ctx.Err() == nil {
		if g, p := s.leaderOf(id); g != nil {
			ctx, cancel := context.WithTimeout(s.ctx, 3*time.Second)
			err := do(ctx, g)
			cancel()
			if err == nil && !p.isGone() {
				return
			}
		}
		sleep(s.ctx, 200*time.Millisecond)
	}
}

// has tells whether a group's replica is placed on the node.
func (n *node) has(id uint32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.place[id]
	return ok
}

func (n *node) replica(id uint32) raft.ServerID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.place[id].id
}

// add places a replica on the node and opens it.
func (n *node) add(id uint32, r replica) {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	n.mu.Lock()
	n.place[id] = r
	p := n.process
	n.mu.Unlock()
	if p != nil {
		p.open(id, r)
	}
}

// remove closes a replica that its group has removed, and deletes its data.
func (n *node) remove(id uint32) {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	n.mu.Lock()
	delete(n.place, id)
	p := n.process
	n.mu.Unlock()
	if p != nil {
		p.closeGroup(id)
	}
	n.disk.wipe(id)
}
