package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv"
	"raftkv/kv/eventlog"
)

// moves are what the balancer did in some time.
type moves struct {
	migrations, leaders int
}

func (m moves) String() string { return fmt.Sprintf("%d + %d", m.migrations, m.leaders) }

// eachEvent calls fn for every event in the nodes' logs since then.
func (r *raftkvCluster) eachEvent(since time.Time, fn func(eventlog.Event)) error {
	list, err := r.cluster.Nodes()
	if err != nil {
		return err
	}
	for _, n := range list {
		f, err := os.Open(filepath.Join(n.Dir, "log", "node.jsonl"))
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			// The last line may not be whole yet.
			if e, err := eventlog.Parse(lines.Bytes()); err == nil && e.Time.After(since) {
				fn(e)
			}
		}
		f.Close()
		if err := lines.Err(); err != nil {
			return err
		}
	}
	return nil
}

// movesBetween counts the balancer's decisions: slots and leaders that it moved.
func (r *raftkvCluster) movesBetween(from, to time.Time) (out moves, err error) {
	err = r.eachEvent(from, func(e eventlog.Event) {
		switch {
		case e.Time.After(to):
		case e.Attrs["kind"] == "start-migration":
			out.migrations++
		case e.Attrs["kind"] == string(kv.EventLetLead):
			out.leaders++
		}
	})
	return out, err
}
