package server

import (
	"testing"
	"time"

	"raftkv/kv/gather"
)

// waitingReaders returns readers of whom one waits, and three shall before they read.
func waitingReaders() *readers {
	l := &loop{reads: make(map[Group]*readers), company: make(map[uint32]*gather.Gather)}
	r := &readers{loop: l, company: gather.New(readRule), enough: make(chan struct{}, 1)}
	l.reads[nil] = r
	l.read(readingConn(), time.Now())
	r.company.Finished(4, 0, 8*time.Millisecond)
	return r
}

func readingConn() []*conn {
	c := new(conn)
	c.turn.runs = []*run{{}}
	return []*conn{c}
}

func (r *readers) awaits() bool {
	r.loop.mu.Lock()
	defer r.loop.mu.Unlock()
	return r.need > 0
}

func TestReadersWaitForCompany(t *testing.T) {
	// The wait is short, so a busy machine may need more than one try.
	for range 100 {
		r, done := waitingReaders(), make(chan struct{})
		go func() {
			defer close(done)
			r.await()
		}()
		for ended := false; !ended && !r.awaits(); {
			select {
			case <-done:
				ended = true
			default:
			}
		}
		r.loop.read(readingConn(), time.Now())
		r.loop.read(readingConn(), time.Now())
		<-done
		if n := r.count(); n != 3 {
			t.Fatalf("%d connections wait, want 3", n)
		}
		if len(r.enough) > 0 || r.awaits() {
			t.Fatal("the next wait would end before it begins")
		}
		if want, _ := r.company.Next(1); want == 3 { // else it gave up, and skips a round
			return
		}
	}
	t.Error("never ended with enough")
}

func TestReadersGiveUpWaiting(t *testing.T) {
	r := waitingReaders()
	r.await()
	if want, _ := r.company.Next(1); want != 0 {
		t.Errorf("waits for %d again at once", want)
	}
	r.loop.read(readingConn(), time.Now())
	r.loop.read(readingConn(), time.Now())
	if len(r.enough) > 0 {
		t.Error("tells nobody that enough wait")
	}
}
