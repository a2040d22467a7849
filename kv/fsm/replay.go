package fsm

import (
	"bytes"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/command"
	"raftkv/kv/resp"
	"raftkv/kv/store"
)

// Replay applies committed entries that nobody waits for, on several processors. Commands of
// different slots do not see each other, so their order matters within a slot only: those
// that change keys of one slot and nothing else are collected, and executed by several
// goroutines, each for its own slots. Any other command, and
// whatever happens by the clock, is executed in its place, with nothing beside it. So the
// outcome is that of Apply, entry by entry.
//
// It is for one goroutine, before raft's own calls begin.
type Replay struct {
	f       *FSM
	data    []byte // the payloads of what is collected
	entries []collected
	workers int       // goroutines
	most    int       // bytes of data to collect
	clock   int64     // the log's, behind what is collected
	effect  uint64    // index of the last entry that has commands, 0 if none has
	began   time.Time // when the first of entries came
	// lists are the commands for each partition of the store, in order. Those of one are
	// executed one behind the other, since they find its pages in the processor's cache.
	lists [store.Partitions][]partial

	name []byte // of the last command that was looked up
	spec *command.Spec
}

// collected is an entry whose commands are collected.
type collected struct {
	index, term uint64
	clock       int64
	size        int
}

// partial is a command for a partition of the store: data[from:to].
type partial struct {
	spec     *command.Spec
	entry    int32
	from, to int32
}

// mostCollected bounds what is collected, in bytes: goroutines should have something to
// do in each partition, and progress is seen only behind it.
const mostCollected = 2 << 20

// mostWorkers bounds the goroutines.
const mostWorkers = 8

// partials are the commands that may be collected: they change keys of one slot, and
// whether something is due does not depend on them.
var partials = func() map[*command.Spec]bool {
	out := make(map[*command.Spec]bool)
	for _, name := range []string{
		"append", "decr", "decrby", "del", "delifeq", "getdel", "getset", "incr", "incrby", "incrbyfloat",
		"mset", "msetnx", "set", "setnx", "setrange", "unlink",
	} {
		out[command.Lookup([]byte(name))] = true
	}
	return out
}()

// NewReplay returns a Replay, which must be flushed before the state is used.
func (f *FSM) NewReplay() *Replay {
	return &Replay{f: f, workers: 1, most: mostCollected}
}

// SetWorkers sets how many goroutines execute commands from now on. One executes them as
// they come.
func (r *Replay) SetWorkers(n int) {
	if n = min(n, mostWorkers); n != r.workers {
		r.Flush()
		r.workers = n
	}
}

// Apply applies an entry, now or with the next ones. log and its data are not kept.
func (r *Replay) Apply(log *raft.Log) {
	if len(r.entries) == 0 {
		r.began = time.Now()
	}
	if r.collect(log) {
		if len(r.data) >= r.most {
			r.Flush()
		}
		return
	}
	r.Flush()
	r.f.applyLog(log)
}

// collect takes an entry in, unless one of its commands, or what is due by its clock,
// needs to be executed in its place.
func (r *Replay) collect(log *raft.Log) bool {
	f, s := r.f, r.f.state
	if log.Type != raft.LogCommand || f.Err() != nil || f.opts.LocalClock != nil || r.workers < 2 {
		return false
	}
	entry, err := DecodeEntry(log.Data)
	if err != nil || entry.Kind != Commands {
		return false
	}
	if len(r.entries) == 0 {
		r.clock = s.store.Clock()
	}
	clock := max(r.clock, entry.Clock)
	if at, any := s.store.NextDeadline(); any && at <= clock || s.sessions.due(clock) || !s.store.Divisible() {
		return false
	}
	before := len(r.data)
	r.data = append(r.data, entry.Payload...)
	if number := int32(len(r.entries)); !r.split(before, number) {
		r.data = r.data[:before]
		for i, list := range r.lists {
			for len(list) > 0 && list[len(list)-1].entry == number {
				list = list[:len(list)-1]
			}
			r.lists[i] = list
		}
		return false
	}
	r.clock = clock
	if len(entry.Payload) > 0 {
		r.effect = log.Index
	}
	r.entries = append(r.entries, collected{log.Index, log.Term, clock, len(log.Data)})
	return true
}

// split distributes the commands of an entry, which begin at data[at].
func (r *Replay) split(at int, entry int32) bool {
	if len(r.data) > math.MaxInt32 {
		return false
	}
	var space [16][]byte
	args := space[:0]
	for at < len(r.data) {
		var n int
		var err error
		if args, n, err = resp.ParseCommand(r.data[at:], args, math.MaxInt32); err != nil {
			return false
		}
		if len(args) == 0 {
			return false // nobody sends that
		}
		spec := r.lookup(args[0])
		if spec == nil {
			return false
		}
		slot, hasKeys, wrong := spec.Slot(args)
		if wrong != "" || !hasKeys || spec.CheckArity(len(args)) != nil || spec.Name == "set" && len(args) != 3 {
			return false
		}
		if r.f.state.slots.state[slot].Serves() {
			list := &r.lists[store.PartitionOf(slot)]
			*list = append(*list, partial{spec, entry, int32(at), int32(at + n)})
		}
		at += n
	}
	return true
}

// lookup returns one of partials, or nil. Most commands are of the same name as the last.
func (r *Replay) lookup(name []byte) *command.Spec {
	if !bytes.Equal(name, r.name) {
		r.name, r.spec = append(r.name[:0], name...), command.Lookup(name)
		if !partials[r.spec] {
			r.spec = nil
		}
	}
	return r.spec
}

// Flush executes what is collected.
func (r *Replay) Flush() {
	if len(r.entries) == 0 {
		return
	}
	f := r.f
	last := r.entries[len(r.entries)-1]

	f.mu.Lock()
	s := f.state
	parts := s.store.Split(r.workers)
	var others sync.WaitGroup
	for i := 1; i < len(parts); i++ {
		others.Go(func() { r.execute(parts[i], i) })
	}
	r.execute(parts[0], 0)
	others.Wait()
	s.store.Join(parts)
	s.store.Advance(last.clock, last.index)
	s.term = last.term
	f.memory.Store(s.store.Bytes() + s.sessions.memory)
	f.keys.Store(int64(s.store.Len()))
	f.mu.Unlock()

	if r.effect != 0 {
		f.effect.Store(r.effect)
	}
	took := time.Since(r.began)
	f.busy.Add(int64(took))
	f.applied.reach(last.index)
	if f.opts.Applied != nil {
		for _, e := range r.entries {
			f.opts.Applied(0, e.size, took/time.Duration(len(r.entries)))
		}
	}
	r.data, r.entries, r.effect = r.data[:0], r.entries[:0], 0
	for i := range r.lists {
		r.lists[i] = r.lists[i][:0]
	}
}

// execute is one of the goroutines, which have the partitions in turn. Replies are
// nobody's business.
func (r *Replay) execute(part *store.Part, worker int) {
	ctx := command.Ctx{Store: &part.Store, MaxValue: r.f.state.exec.MaxValue}
	var space [16][]byte
	args := space[:0]
	for i := worker; i < len(r.lists); i += r.workers {
		for _, c := range r.lists[i] {
			args, _, _ = resp.ParseCommand(r.data[c.from:c.to], args, math.MaxInt32) // it was parsed before
			e := &r.entries[c.entry]
			part.Begin(e.clock, e.index)
			c.spec.Exec(&ctx, args)
		}
	}
}
