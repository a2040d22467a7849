package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"raftkv/kv/eventlog"
	"raftkv/kv/loadgen"
	"raftkv/shard"
)

const (
	migrationClients = 64
	// migrationRest is between a migration and what is behind it, and before the load
	// ends: what was under way is answered by then.
	migrationRest = 500 * time.Millisecond
	// The floors.
	stallFloor      = 50 * time.Millisecond
	foregroundFloor = 2.0
)

// movable is a cluster whose slots are all in one place, with a way to move some.
type movable struct {
	name  string
	addrs []string
	// move moves slots and returns when others serve them; gone returns when the one
	// that had them has deleted their keys. which tells what slots were moved.
	move  func(ctx context.Context) error
	gone  func(ctx context.Context) error
	which func(ctx context.Context) (map[uint16]bool, error)
}

// migration prints what clients notice while slots move, beside Redis Cluster's own
// resharding.
func migration(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error {
	fmt.Fprintf(out, `
### Moving %d of 16384 slots under load

%d keys with values of %d bytes in all slots; %d clients (go-redis) ask for %.0f operations a second, half reads, all keys equally hot. An
operation that had to wait for its connection counts from when it was due. "During" is from the order until the keys are deleted where they
were. What it is compared with are %v before, when one group has all slots, and as many after, when two have them. Redis: 3 masters
without replicas or persistence, redis-cli --cluster reshard. Reach: p99.9 < %d ms, foreground p99 <= %.0f x.

| system | duration | keys moved | MB/s | moving slots: p99.9 | longest | all slots: p99 before | after | both | during | x | failed | reached |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
`, o.moveSlots, o.moveKeys, o.Value, migrationClients, o.rate, o.beside, stallFloor.Milliseconds(), foregroundFloor)
	if err := moveRaftkv(ctx, l, o, out); err != nil {
		return err
	}
	if o.alone {
		return nil
	}
	if _, err := exec.LookPath("redis-cli"); err != nil {
		fmt.Fprintln(out, "\nRedis is not installed here, so there is no comparison.")
		return nil
	}
	return reshardRedis(ctx, l, o, out)
}

// moveRaftkv moves slots from group 1, which has all, to group 2.
func moveRaftkv(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error {
	r, err := l.sharded(ctx, "migration", 3, 2)
	if err != nil {
		return err
	}
	defer l.drop(r)
	if err := r.balance(ctx, false); err != nil {
		return err
	}
	m, err := r.shardMap(ctx)
	if err != nil {
		return err
	}
	if err := r.move(ctx, m.SlotsOf(2), 1); err != nil {
		return err
	}
	if err := r.moved(ctx); err != nil {
		return err
	}
	note("raftkv: write %d keys", o.moveKeys)
	if err := fill(ctx, r, load{Keys: o.moveKeys, Value: o.Value}); err != nil {
		return err
	}
	moving := shard.Range{0, uint16(o.moveSlots - 1)}
	start := time.Now()
	return measureMove(ctx, o, out, movable{
		name: "raftkv", addrs: r.addrs,
		move: func(ctx context.Context) error {
			if err := r.move(ctx, []shard.Range{moving}, 2); err != nil {
				return err
			}
			return r.moved(ctx)
		},
		gone: func(ctx context.Context) error { return r.migrationEnds(ctx, start) },
		which: func(context.Context) (map[uint16]bool, error) {
			out := make(map[uint16]bool)
			for slot := range shard.Each([]shard.Range{moving}) {
				out[slot] = true
			}
			return out, nil
		},
	})
}

// migrationEnds waits until a migration that was ordered after since has ended in its
// source, too: the log of the source's leader says so.
func (r *raftkvCluster) migrationEnds(ctx context.Context, since time.Time) error {
	for {
		ended := false
		err := r.eachEvent(since, func(e eventlog.Event) {
			if e.Topic == eventlog.TopicMigration && e.Msg == "migration ends" {
				ended = true
				note("raftkv: slots were frozen %v; %v records copied, %v bytes packed, took %v", e.Attrs["frozen"], e.Attrs["records"], e.Attrs["bytes"], e.Attrs["took"])
			}
		})
		if ended || err != nil {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func reshardRedis(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error {
	dir := filepath.Join(l.dir, "redis-cluster")
	defer os.RemoveAll(dir)
	r, err := newRedisCluster(ctx, dir, &l.ports)
	if r != nil {
		defer r.kill()
	}
	if err != nil {
		return err
	}
	note("redis: write %d keys", o.moveKeys)
	_, err = loadgen.Run(ctx, loadgen.Config{Target: r.target(), Clients: 64, Requests: 1, Keys: o.moveKeys, ValueSize: o.Value, Fill: true})
	if err != nil {
		return err
	}
	return measureMove(ctx, o, out, movable{
		name: "redis-cli reshard", addrs: r.addrs,
		move:  func(ctx context.Context) error { return r.reshard(ctx, o.moveSlots) },
		gone:  func(context.Context) error { return nil },
		which: func(ctx context.Context) (map[uint16]bool, error) { return r.slotsOf(ctx, 1) },
	})
}

// measureMove moves slots under load and prints the row.
func measureMove(ctx context.Context, o *shardingOptions, out io.Writer, m movable) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	other, err := newApart(o.apart)
	if err != nil {
		return err
	}
	t := newGoRedis(m.addrs, migrationClients)
	defer t.Close()
	seen := newStalls(migrationClients)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		_, err := loadgen.Run(loading, loadgen.Config{
			Target: t, Clients: migrationClients, Rate: o.rate, Reads: 0.5, Duration: time.Hour, Warmup: time.Second,
			Keys: o.moveKeys, ValueSize: o.Value, Observe: seen.observe, Begin: func() { close(begun) },
		})
		ended <- err
	}()
	other.watch(loading)
	during, served, err := moveBesideLoad(ctx, m, o.beside, begun, ended)
	stop()
	if failed := errors.Join(<-ended, other.wait()); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	slots, err := m.which(ctx)
	if err != nil {
		return err
	}
	keys := keysIn(o.moveKeys, slots)
	took := served.Sub(during.start)
	before := window{during.start.Add(-o.beside), during.start}
	after := window{during.end.Add(migrationRest), during.end.Add(migrationRest + o.beside)}
	megabytes := float64(keys*int64(o.Value+len("key:000000000000"))) / 1e6
	row := func(what string, without []window) {
		summary := func(slots map[uint16]bool, in ...window) latencies { return seen.during(in, slots, without) }
		all, moving := summary(nil, during), summary(slots, during)
		beside := summary(nil, before, after)
		worse := float64(all.p99) / float64(beside.p99)
		fmt.Fprintf(out, "| %s | %s ms | %s ms | %s ms | %s ms | %s ms | %s ms | %.1f | %d | %s |\n", what,
			ms(moving.p999), ms(moving.longest), ms(summary(nil, before).p99), ms(summary(nil, after).p99), ms(beside.p99), ms(all.p99), worse, all.failed, reached(moving.p999 < stallFloor && worse <= foregroundFloor))
		note("%s: %d slots, %d operations during, %d of moving slots", m.name, len(slots), all.count, moving.count)
	}
	row(fmt.Sprintf("%s | %.1f s | %s | %.1f", m.name, took.Seconds(), count(float64(keys)), megabytes/took.Seconds()), nil)
	if o.apart != "" {
		row("and "+o.apart+" does not run | | |", other.ran)
	}
	return nil
}

// moveBesideLoad waits, moves, waits, and returns when that was and when the slots were
// served elsewhere. It fails if the load ends meanwhile.
func moveBesideLoad(ctx context.Context, m movable, beside time.Duration, begun <-chan struct{}, ended chan error) (during window, served time.Time, err error) {
	select {
	case <-begun:
	case err := <-ended:
		ended <- err
		return during, served, err
	}
	if err := sleep(ctx, beside); err != nil {
		return during, served, err
	}
	note("%s: move slots", m.name)
	during.start = time.Now()
	if err := m.move(ctx); err != nil {
		return during, served, err
	}
	served = time.Now()
	if err := m.gone(ctx); err != nil {
		return during, served, err
	}
	during.end = time.Now()
	return during, served, sleep(ctx, migrationRest+beside+migrationRest)
}

// keysIn counts the load's keys that are in slots.
func keysIn(keys int64, slots map[uint16]bool) (n int64) {
	for i := range keys {
		if slots[shard.Slot(fmt.Appendf(nil, "key:%012d", i))] {
			n++
		}
	}
	return n
}
