package simulation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"raftkv/kv/raftlog"
)

// errCrashed: the process ended before its write did. What is left of it is told
// that the write was done, because raft panics otherwise; nobody hears of it.
var errCrashed = errors.New("the process has ended")

// disk is a node's disk. It outlives the node's processes: a crash leaves what
// was synced, and a part of what was not.
type disk struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	seen    *seen
	volumes map[uint32]*volume // by group
	dead    chan struct{}      // closed when the process that uses the disk ends
	changed chan struct{}      // closed and replaced when the disk's condition changes
	slow    time.Duration      // what a sync takes beside the usual
	hung    int                // by how many faults: nothing returns
	image   time.Duration      // what writing a snapshot takes beside its sync

	// lies makes the disk confirm what is not on it yet; forgets does so for votes
	// and terms alone.
	lies, forgets bool
}

// writeback is how long a disk that lies may take to do what it has confirmed.
const writeback = 10 * time.Second

func newDisk(rnd *rand.Rand, seen *seen) *disk {
	return &disk{rnd: rnd, seen: seen, volumes: make(map[uint32]*volume), dead: make(chan struct{}), changed: make(chan struct{})}
}

// change applies a fault or mends it.
func (d *disk) change(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
	close(d.changed)
	d.changed = make(chan struct{})
}

// hang makes writes wait until the function that it returns is called.
func (d *disk) hang() (mend func()) {
	d.change(func() { d.hung++ })
	return func() { d.change(func() { d.hung-- }) }
}

// drag makes each sync take up to so long.
func (d *disk) drag(by time.Duration) (mend func()) {
	d.change(func() { d.slow += by })
	return func() { d.change(func() { d.slow -= by }) }
}

// sync takes the time of an fsync. It fails if the process ends before.
func (d *disk) sync(dead <-chan struct{}) error {
	d.mu.Lock()
	wait := time.Duration(300+d.rnd.IntN(2000)) * time.Microsecond
	if d.slow > 0 {
		wait += time.Duration(d.rnd.Int64N(int64(d.slow)))
	}
	d.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-dead:
		return errCrashed
	}
	for {
		d.mu.Lock()
		hung, changed := d.hung > 0, d.changed
		d.mu.Unlock()
		select {
		case <-dead:
			return errCrashed
		default:
		}
		if !hung {
			return nil
		}
		select {
		case <-changed:
		case <-dead:
			return errCrashed
		}
	}
}

// crash takes the disk from its process and loses what a loss of power does:
// anything that was not synced may be there, in the order it was written, and
// the last of it in part.
func (d *disk) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.dead)
	d.dead = make(chan struct{})
	for _, v := range d.volumes {
		v.crash(d.rnd, d.seen)
	}
}

// release takes the disk from a process that has ended in order.
func (d *disk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.dead)
	d.dead = make(chan struct{})
	for _, v := range d.volumes {
		v.pending = nil
	}
}

// wipe deletes a group's folder.
func (d *disk) wipe(group uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.volumes, group)
}

// open gives a process a group's folder.
func (d *disk) open(group uint32) *folder {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.volumes[group]
	if v == nil {
		v = &volume{now: newImage(), safe: newImage()}
		d.volumes[group] = v
	}
	return &folder{disk: d, volume: v, dead: d.dead, group: group}
}

// volume is what lies in a group's folder.
type volume struct {
	now       image // what the process sees
	safe      image // what is on the disk for sure
	unsynced  []change
	pending   *change // being written
	snapshots []stored
}

func (v *volume) settle(now time.Time) {
	for len(v.unsynced) > 0 && !v.unsynced[0].due.After(now) {
		v.safe.must(v.unsynced[0])
		v.unsynced = v.unsynced[1:]
	}
}

func (v *volume) crash(rnd *rand.Rand, seen *seen) {
	v.settle(time.Now())
	lost := v.unsynced
	if v.pending != nil {
		lost = append(lost, *v.pending)
	}
	v.unsynced, v.pending = nil, nil
	if len(lost) > 0 {
		survive := rnd.IntN(len(lost) + 1)
		seen.lost.Add(int64(len(lost) - survive))
		for _, c := range lost[:survive] {
			v.safe.apply(c) // what was being written and does not fit is refused
		}
		if survive < len(lost) && rnd.IntN(2) == 0 {
			c := lost[survive]
			seen.torn.Add(1)
			c.logs = c.logs[:rnd.IntN(len(c.logs)+1)] // torn
			if len(c.logs) > 0 {
				v.safe.apply(c)
			}
		}
	}
	v.now = v.safe.clone()
}

// folder is a process's hold of a group's folder: raft's log, votes and
// snapshots.
type folder struct {
	disk   *disk
	volume *volume
	dead   <-chan struct{}
	group  uint32
}

var (
	_ raftlog.Medium      = (*folder)(nil)
	_ raftlog.StableStore = (*folder)(nil)
	_ raftlog.EntryStore  = (*folder)(nil)
)

func (f *folder) Stable() (raftlog.StableStore, error) { return f, nil }
func (f *folder) Entries() (raftlog.EntryStore, error) { return f, nil }
func (f *folder) Path() string                         { return fmt.Sprintf("group %d in memory", f.group) }
func (f *folder) Close() error                         { return nil }

func (f *folder) gone() bool {
	select {
	case <-f.dead:
		return true
	default:
		return false
	}
}

// write makes a change, durably unless the disk lies.
func (f *folder) write(c change) error {
	f.disk.mu.Lock()
	if f.gone() {
		f.disk.mu.Unlock()
		return nil // see errCrashed
	}
	v := f.volume
	if f.disk.lies || f.disk.forgets && c.key != "" {
		c.due = time.Now().Add(time.Duration(f.disk.rnd.Int64N(int64(writeback))))
		if n := len(v.unsynced); n > 0 && c.due.Before(v.unsynced[n-1].due) {
			c.due = v.unsynced[n-1].due
		}
		defer f.disk.mu.Unlock()
		if err := v.now.apply(c); err != nil {
			return err
		}
		v.unsynced = append(v.unsynced, c)
		return nil
	}
	v.pending = &c
	f.disk.mu.Unlock()
	if f.disk.sync(f.dead) != nil {
		return nil
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.gone() {
		return nil
	}
	v.pending = nil
	v.settle(time.Now())
	if !f.disk.forgets {
		v.settle(time.Now().Add(2 * writeback)) // a true sync takes all with it
	}
	if err := v.now.apply(c); err != nil {
		return err
	}
	v.safe.must(c)
	return nil
}

func (f *folder) StoreLog(log *raft.Log) error { return f.StoreLogs([]*raft.Log{log}) }

func (f *folder) StoreLogs(logs []*raft.Log) error { return f.write(change{logs: logs}) }

func (f *folder) DeleteRange(from, to uint64) error { return f.write(change{from: from, to: to}) }

func (f *folder) Set(key, value []byte) error {
	return f.write(change{key: string(key), value: append([]byte{}, value...)})
}

func (f *folder) SetUint64(key []byte, n uint64) error {
	return f.write(change{key: string(key), number: n})
}

// read calls fn with what the process sees.
func (f *folder) read(fn func(*image) error) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return fn(&f.volume.now)
}

func (f *folder) FirstIndex() (n uint64, _ error) {
	return n, f.read(func(m *image) error {
		n = m.first
		return nil
	})
}

func (f *folder) LastIndex() (n uint64, _ error) {
	return n, f.read(func(m *image) error {
		n = m.last()
		return nil
	})
}

func (f *folder) GetLog(index uint64, out *raft.Log) error {
	return f.read(func(m *image) error {
		if m.first == 0 || index < m.first || index > m.last() {
			return raft.ErrLogNotFound
		}
		*out = *m.logs[index-m.first]
		return nil
	})
}

func (f *folder) Get(key []byte) (value []byte, _ error) {
	return value, f.read(func(m *image) error {
		c, ok := m.stable[string(key)]
		if !ok {
			return raftboltdb.ErrKeyNotFound
		}
		value = c.value
		return nil
	})
}

func (f *folder) GetUint64(key []byte) (n uint64, _ error) {
	return n, f.read(func(m *image) error {
		c, ok := m.stable[string(key)]
		if !ok {
			return raftboltdb.ErrKeyNotFound
		}
		n = c.number
		return nil
	})
}
