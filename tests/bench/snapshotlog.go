package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv/eventlog"
	"raftkv/shard"
)

// phases are when nodes wrote snapshots and when they compacted their logs, by what
// their logs say. Those of the controller's group are left out: it is small.
type phases struct {
	writing, compaction []window
	// Seconds, of those that were seen to their end.
	wrote, compacted []float64
}

// What nodes log: the first three lines are raft's. A log in raft-wal has whole files
// removed behind a compaction's back.
const (
	lineStarts   = "starting snapshot up to"
	lineCompacts = "compacting logs"
	lineComplete = "snapshot complete up to"
	lineRemoved  = "segments that are not needed are removed"
)

// snapshotPhase is what a replica does.
type snapshotPhase struct {
	writes, compacts time.Time // since when, if it does
	removes          bool      // the files of the last compaction may not have gone yet
	last             int       // which compaction that was
}

// read adds what the logs of a node whose data lies in dir say of the time between since
// and until.
func (p *phases) read(dir string, since, until time.Time) error {
	f, err := os.Open(filepath.Join(dir, "log", "node.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	replicas := make(map[uint64]*snapshotPhase)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e, err := eventlog.Parse(lines.Bytes())
		if err != nil || e.Time.Before(since) || e.Time.After(until) || !e.HasGroup || e.Group == uint64(shard.Controller) {
			continue
		}
		r := replicas[e.Group]
		if r == nil {
			r = new(snapshotPhase)
			replicas[e.Group] = r
		}
		p.take(r, e.Msg, e.Time)
	}
	for _, r := range replicas {
		if !r.writes.IsZero() {
			p.writing = append(p.writing, window{r.writes, until})
		}
		if !r.compacts.IsZero() {
			p.compaction = append(p.compaction, window{r.compacts, until})
		}
	}
	return lines.Err()
}

// phases reads the logs of all nodes.
func (r *raftkvCluster) phases(since, until time.Time) (p phases, err error) {
	list, err := r.cluster.Nodes()
	if err != nil {
		return p, err
	}
	for _, n := range list {
		if err := p.read(n.Dir, since, until); err != nil {
			return p, err
		}
	}
	return p, nil
}

// logPause is how often the logs are read for more snapshots.
const logPause = 500 * time.Millisecond

// awaitSnapshots returns when so many snapshots were written since a time, or when ctx
// ends.
func (r *raftkvCluster) awaitSnapshots(ctx context.Context, want int, since time.Time) error {
	for sleep(ctx, logPause) == nil {
		p, err := r.phases(since, time.Now())
		if err != nil || len(p.wrote) >= want {
			return err
		}
	}
	return nil
}

// take takes a line of a replica's.
func (p *phases) take(r *snapshotPhase, line string, at time.Time) {
	if (line == lineCompacts || line == lineComplete) && !r.writes.IsZero() {
		p.writing = append(p.writing, window{r.writes, at})
		p.wrote = append(p.wrote, at.Sub(r.writes).Seconds())
		r.writes = time.Time{}
	}
	switch line {
	case lineStarts:
		r.writes = at
	case lineCompacts:
		r.compacts = at
	case lineComplete:
		if !r.compacts.IsZero() {
			r.last, r.removes = len(p.compaction), true
			p.compaction = append(p.compaction, window{r.compacts, at})
			p.compacted = append(p.compacted, at.Sub(r.compacts).Seconds())
			r.compacts = time.Time{}
		}
	case lineRemoved:
		if r.removes {
			p.compaction[r.last].end = at
			p.compacted[r.last] = at.Sub(p.compaction[r.last].start).Seconds()
			r.removes = false
		}
	}
}
