package pulse

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const patience = 20 * time.Second

func await(t *testing.T, a *Alarm) time.Time {
	t.Helper()
	select {
	case <-a.C:
		return time.Now()
	case <-time.After(patience):
		t.Fatal("the alarm did not come")
		return time.Time{}
	}
}

// pulses are both kinds.
func pulses(t *testing.T, test func(t *testing.T, p *Pulse)) {
	for name, p := range map[string]*Pulse{"system": New(), "portable": Portable()} {
		t.Run(name, func(t *testing.T) {
			defer p.Close()
			test(t, p)
		})
	}
}

// An alarm comes never before the full interval it was set for.
func TestAlarmComesAtFullInterval(t *testing.T) {
	pulses(t, func(t *testing.T, p *Pulse) {
		const interval = 20 * time.Millisecond
		a := p.Alarm()
		for range 5 {
			set := time.Now()
			a.Set(interval)
			a.Set(time.Hour) // it is set already
			at := await(t, a)
			due := set.Truncate(interval).Add(interval)
			if early := due.Sub(at); early > near {
				t.Errorf("it came %v early", early)
			}
		}
	})
}

// A later alarm does not put off an earlier one, nor the other way round, and all
// come.
func TestAlarmsOfManyLoops(t *testing.T) {
	pulses(t, func(t *testing.T, p *Pulse) {
		var loops sync.WaitGroup
		var came atomic.Int64
		for i := range 50 {
			loops.Go(func() {
				a := p.Alarm()
				for range 3 {
					a.Set(time.Duration(10+i) * time.Millisecond)
					select {
					case <-a.C:
						came.Add(1)
					case <-time.After(patience):
						return
					}
				}
			})
		}
		loops.Wait()
		if got := came.Load(); got != 150 {
			t.Errorf("%d of 150 alarms came", got)
		}
	})
}

// An alarm that was stopped does not come; one that came unseen does not come twice.
func TestStoppedAlarm(t *testing.T) {
	pulses(t, func(t *testing.T, p *Pulse) {
		stopped, last := p.Alarm(), p.Alarm()
		stopped.Set(20 * time.Millisecond)
		stopped.Stop()
		last.Set(50 * time.Millisecond)
		await(t, last)
		if len(stopped.C) != 0 {
			t.Error("a stopped alarm came")
		}
		stopped.Set(20 * time.Millisecond)
		for len(stopped.C) == 0 { // unseen
			last.Set(5 * time.Millisecond)
			await(t, last)
		}
		stopped.Set(time.Hour)
		if len(stopped.C) != 0 {
			t.Error("it came for what it was set before")
		}
	})
}

// Close may be called while alarms are set and being set.
func TestCloseEndsAlarms(t *testing.T) {
	pulses(t, func(t *testing.T, p *Pulse) {
		var setting sync.WaitGroup
		for range 8 {
			setting.Go(func() {
				for range 200 {
					a := p.Alarm()
					a.Set(2 * time.Millisecond)
				}
			})
		}
		p.Close()
		setting.Wait()
		a := p.Alarm()
		a.Set(2 * time.Millisecond)
		if len(p.armed) != 0 {
			t.Error("an alarm is set on what is closed")
		}
	})
}

// The portable one goes by whatever Go takes for the time, and rests when nothing is
// set.
func TestPortableInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Portable()
		began := time.Now()
		a, b := p.Alarm(), p.Alarm()
		a.Set(time.Hour)
		b.Set(20 * time.Minute)
		<-b.C
		<-a.C
		if took := time.Since(began); took > time.Hour {
			t.Errorf("an hour took %v", took)
		}
		a.Set(time.Hour)
		a.Stop()
		p.Close()
	})
}
