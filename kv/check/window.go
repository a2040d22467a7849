package check

import (
	"fmt"
	"sync"
	"sync/atomic"

	"raftkv/kv/history"
	"raftkv/shard"
)

// window is a stretch of a run with keys of its own, and what was seen of them. Its
// methods may be called from any goroutine.
type window struct {
	number int
	tags   []*tag

	mu   sync.Mutex
	ops  []history.Operation
	busy sync.WaitGroup // operations under way
	left bool
}

// tag is a set of keys in one slot.
type tag struct {
	name   string
	slot   uint16
	tokens atomic.Int64 // that were to be appended
	leases atomic.Int64 // sets with a deadline that were to be
	outage outage
}

// maxTokens is how many tokens one list gets: its value is in each read of it.
const maxTokens = 60

// maxLeases bounds the deadlines in a set of keys: each is an operation that may
// happen at any of many moments, and the judge tries them.
const maxLeases = 40

func newWindow(seed uint64, number, keys int) *window {
	w := &window{number: number}
	for i := range keys {
		name := fmt.Sprintf("check:{%x-%d-%d}:", seed, number, i)
		w.tags = append(w.tags, &tag{name: name, slot: shard.Slot([]byte(name))})
	}
	return w
}

func (t *tag) register() string { return t.name + "register" }
func (t *tag) counter() string  { return t.name + "counter" }
func (t *tag) stamp() string    { return t.name + "stamp" } // who counted last, by EXEC
func (t *tag) lease() string    { return t.name + "lease" }

// list returns the list that the next token belongs to.
func (t *tag) list() string { return fmt.Sprint(t.name, "list", t.tokens.Load()/maxTokens) }

// lists lists all lists that may hold something.
func (t *tag) lists() (out []string) {
	for i := range t.tokens.Load()/maxTokens + 1 {
		out = append(out, fmt.Sprint(t.name, "list", i))
	}
	return out
}

func (t *tag) keys() []string {
	return append(t.lists(), t.register(), t.counter(), t.stamp(), t.lease())
}

// enter tells the window that an operation on it begins; false: all are to leave.
func (w *window) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.left {
		w.busy.Add(1)
	}
	return !w.left
}

// leave is enter's end.
func (w *window) leave() { w.busy.Done() }

// close waits until the operations on the window are over; no more begin.
func (w *window) close() {
	w.mu.Lock()
	w.left = true
	w.mu.Unlock()
	w.busy.Wait()
}

func (w *window) record(o history.Operation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops = append(w.ops, o)
}
