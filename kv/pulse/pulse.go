// Package pulse lets all that a process does from time to time happen at the same
// instants: the full intervals of the wall clock. A process at rest pays for being
// woken and not for what it does then, so ten loops that wake up together cost
// little more than one.
//
// It also makes each of these wakings cheaper than one of Go's timers (timer_linux.go).
package pulse

import (
	"sync"
	"time"
)

// near is how close to a full interval an alarm that is set for it would come too
// early or twice: the wall clock, by which intervals are reckoned, and the one that
// timers go by differ a little.
const near = time.Millisecond

// Pulse wakes alarms. Its methods may be called from any goroutine.
type Pulse struct {
	timer timer

	mu     sync.Mutex
	closed bool
	armed  map[*Alarm]struct{}
	next   time.Time // what timer is set for; zero: it is not set
}

// timer calls back once after each set; a later set replaces an earlier one.
type timer interface {
	set(after time.Duration)
	// close returns when no call is under way any more.
	close()
}

// New returns a pulse on a timer of the operating system's, where there is one that
// is cheaper than Go's. Close it.
func New() *Pulse {
	p := &Pulse{armed: make(map[*Alarm]struct{})}
	t, err := newSystemTimer(p.fire)
	if err != nil { // a kernel may refuse it
		t = newGoTimer(p.fire)
	}
	p.timer = t
	return p
}

// Portable returns a pulse on Go's timers. It is for where time is not the operating
// system's, as in testing/synctest. It needs no Close if all of its alarms are
// stopped.
func Portable() *Pulse {
	p := &Pulse{armed: make(map[*Alarm]struct{})}
	p.timer = newGoTimer(p.fire)
	return p
}

// Close ends the pulse. Alarms that are set stay silent for good.
func (p *Pulse) Close() {
	p.mu.Lock()
	p.closed = true
	clear(p.armed)
	p.mu.Unlock()
	p.timer.close()
}

// Alarm is what one loop waits for. Its methods are for one goroutine.
type Alarm struct {
	// C gets a value at the instant that the alarm was set for.
	C     chan struct{}
	pulse *Pulse
	due   time.Time // guarded by pulse's mu
}

// Alarm returns a new alarm, which is not set.
func (p *Pulse) Alarm() *Alarm { return &Alarm{C: make(chan struct{}, 1), pulse: p} }

// Set lets the alarm come at the next full interval of the wall clock, which must be
// above 1 ms, and returns when that is. One that is set already stays as it is.
func (a *Alarm) Set(interval time.Duration) time.Time {
	p := a.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, set := p.armed[a]; set || p.closed {
		return a.due
	}
	select {
	case <-a.C: // it came after its loop had been woken by something else
	default:
	}
	now := time.Now()
	wait := interval - time.Duration(now.UnixNano())%interval
	if wait < near {
		wait += interval
	}
	a.due = now.Add(wait)
	p.armed[a] = struct{}{}
	if p.next.IsZero() || a.due.Before(p.next) {
		p.arm(a.due, now)
	}
	return a.due
}

// Stop takes the alarm back, for good or until it is set again.
func (a *Alarm) Stop() {
	p := a.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.armed, a)
	if len(p.armed) == 0 && !p.next.IsZero() && !p.closed {
		p.next = time.Time{}
		p.timer.set(0)
	}
}

// arm must be called with mu held.
func (p *Pulse) arm(due, now time.Time) {
	p.next = due
	p.timer.set(max(due.Sub(now), 1))
}

// fire wakes the alarms that are due.
func (p *Pulse) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	now := time.Now()
	p.next = time.Time{}
	var next time.Time
	for a := range p.armed {
		switch {
		case a.due.Sub(now) < near:
			delete(p.armed, a)
			a.C <- struct{}{} // there is room: it was empty when it was set
		case next.IsZero() || a.due.Before(next):
			next = a.due
		}
	}
	if !next.IsZero() {
		p.arm(next, now)
	}
}

// goTimer is one of Go's timers.
type goTimer struct{ t *time.Timer }

func newGoTimer(fire func()) *goTimer {
	t := &goTimer{time.AfterFunc(time.Hour, fire)}
	t.t.Stop()
	return t
}

func (t *goTimer) set(after time.Duration) {
	if after <= 0 {
		t.t.Stop()
		return
	}
	t.t.Reset(after)
}

// close need not wait: the pulse is closed, and what comes late does nothing.
func (t *goTimer) close() { t.t.Stop() }
