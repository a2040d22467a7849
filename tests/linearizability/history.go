package linearizability

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// History collects operations by key. Safe for concurrent use.
type History struct {
	mu    sync.Mutex
	start time.Time
	byKey map[string][]porcupine.Operation
	count [2]int // known, unknown
}

// NewHistory returns an empty history that begins now.
func NewHistory() *History {
	return &History{start: time.Now(), byKey: make(map[string][]porcupine.Operation)}
}

func (h *History) add(client int, in Input, out Output, call, end time.Time) {
	op := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call.Sub(h.start).Nanoseconds(), Return: end.Sub(h.start).Nanoseconds()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if out.Unknown {
		op.Return = Never
		h.count[1]++
	} else {
		h.count[0]++
	}
	h.byKey[in.Key] = append(h.byKey[in.Key], op)
}

// Judge fails the test unless each key's operations have an order that explains
// every reply, and there are so many of them that this proves something. No client
// may be at work. seed names the file that shows a violation.
func (h *History) Judge(t testing.TB, seed uint64) {
	t.Helper()
	t.Logf("%d operations with known outcome, %d without", h.count[0], h.count[1])
	if h.count[0] < 1000 {
		t.Errorf("only %d operations: this proves little", h.count[0])
	}
	for key, ops := range h.byKey {
		result, info := Check(ops, 2*time.Minute)
		switch result {
		case porcupine.Illegal:
			path := filepath.Join(os.TempDir(), fmt.Sprintf("raftkv-violation-%s-%d.html", key, seed))
			if err := porcupine.VisualizePath(Model, info, path); err != nil {
				t.Error(err)
			}
			t.Errorf("key %s: %d operations are not linearizable; see %s", key, len(ops), path)
		case porcupine.Unknown:
			t.Errorf("key %s: no verdict on %d operations within the time", key, len(ops))
		}
	}
}
