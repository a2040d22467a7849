package simulation

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"raftkv/kv/history"
)

// journal is the record of a run: the faults as they happened, written as they
// happen so that it outlives a panic, and after a violation the history. A run
// without violations leaves nothing, and one with them what `go test -artifacts` keeps.
type journal struct {
	base string // of the files' names
	mu   sync.Mutex
	file *os.File
}

func newJournal(dir string, o Options) *journal {
	j := &journal{base: filepath.Join(dir, fmt.Sprintf("seed-%d", o.Seed))}
	if o.Broken != "" {
		j.base += "-" + string(o.Broken)
	}
	j.file, _ = os.Create(j.base + ".txt") // without it there is only no record
	j.line(o.String())
	return j
}

func (j *journal) line(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		fmt.Fprintln(j.file, text)
	}
}

// violation draws what nothing explains.
func (j *journal) violation(v history.Verdict, before map[string]string) {
	path := j.base + ".html"
	if err := history.Draw(path, v.Smallest, before, 10*time.Second); err == nil {
		j.line("drawn in " + path)
	}
	for i := range v.Smallest {
		o := &v.Smallest[i]
		j.line(fmt.Sprintf("  %9.3fs [%d..%d] client %d by %s: %s", float64(o.At)/1e9, o.Call, o.Return, o.Client, o.Node, o))
	}
}

// close ends the record and returns the beginning of its files' names. They are
// kept if there was a violation.
func (j *journal) close(s *sim) string {
	if j.file == nil {
		return j.base
	}
	j.file.Close()
	if len(s.violations) == 0 {
		os.Remove(j.base + ".txt")
		return j.base
	}
	f, err := os.Create(j.base + ".jsonl")
	if err != nil {
		return j.base
	}
	defer f.Close()
	for _, w := range s.windows {
		history.Write(f, w.ops)
	}
	return j.base
}
