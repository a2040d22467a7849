package fault

import (
	"fmt"
	"syscall"
	"time"

	"raftkv/kv/raftlog"
)

func (f *Fault) ofDisk() bool {
	switch f.Kind {
	case SlowFsync, HangFsync, FailFsync, Full, TornWrite, LostWrite:
		return true
	}
	return false
}

// Disk returns the faults of the disk as a group's log meets them.
func (s *Set) Disk(group uint32) raftlog.Faults { return disk{s, group} }

type disk struct {
	set   *Set
	group uint32
}

var _ raftlog.Faults = disk{}

func (d disk) active() []*active {
	if p := d.set.disk.Load(); p != nil {
		return *p
	}
	return nil
}

// Before makes a write slow, lets it hang or fail.
func (d disk) Before(operation string) error {
	for _, a := range d.active() {
		switch a.fault.Kind {
		case SlowFsync:
			select {
			case <-time.After(a.fault.Time):
			case <-a.ctx.Done():
			}
		case HangFsync:
			<-a.ctx.Done()
		case FailFsync:
			return fmt.Errorf("%w: %s: %w", errInjected, operation, syscall.EIO)
		}
	}
	return nil
}

// Free tells how much disk shall seem to be free.
func (d disk) Free() (uint64, bool) {
	for _, a := range d.active() {
		if a.fault.Kind != Full {
			continue
		}
		if a.fault.Bytes > 0 {
			return uint64(a.fault.Bytes), true
		}
		return d.set.opts.MinFree / 2, true
	}
	return 0, false
}

// Torn tells whether the process shall die in an append, and what share of it is on
// disk then.
func (d disk) Torn() (share float64, die func(), ok bool) {
	for _, a := range d.active() {
		if a.fault.Kind != TornWrite && a.fault.Kind != LostWrite || a.fault.Group != nil && *a.fault.Group != d.group {
			continue
		}
		if a.fault.Kind == TornWrite {
			a.mu.Lock()
			share = a.chance.Float64()
			a.mu.Unlock()
		}
		return share, func() {
			d.set.end(a.id, "the process ends in its write")
			d.set.opts.Body.Die()
		}, true
	}
	return 0, nil, false
}
