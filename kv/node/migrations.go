package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/kv/eventlog"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/migrate"
)

const (
	// migrationRetry is how long a migration that failed rests before its driver
	// tries again, and twice as long each time up to longestRetry: what fails may freeze
	// the slots each time.
	migrationRetry = 500 * time.Millisecond
	longestRetry   = 8 * migrationRetry
	// moveTimeout bounds one command of a migration on the target's leader.
	moveTimeout = 5 * time.Second
	// migrationRate is how many bytes a second a migration copies at most, so that
	// it leaves room for traffic.
	migrationRate = 24 << 20
)

// drivers are the migrations that this node carries out: those of slots that
// leave groups which it leads. All state is in the groups' logs, so a driver may
// end at any moment, and whoever leads the group next goes on.
type drivers struct {
	mu      sync.Mutex
	running map[uint64]*driver       // by the migration's epoch
	ended   map[uint64]bool          // here; the map that this node has may not know yet
	rests   map[uint64]time.Duration // after failures, by the migration's epoch
	wait    sync.WaitGroup
}

type driver struct {
	term     uint64 // of the source's leader
	group    uint32 // the source
	keys     int64  // in it, to be moved
	began    time.Time
	cancel   context.CancelFunc
	mu       sync.Mutex
	progress migrate.Progress
}

// driveMigrations makes a driver run for each migration that begins in a group
// which this node leads, and for no other.
func (n *Node) driveMigrations(ctx context.Context) {
	m := n.shardMap()
	d := &n.drivers
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		d.running, d.ended, d.rests = make(map[uint64]*driver), make(map[uint64]bool), make(map[uint64]time.Duration)
	}
	for epoch := range d.ended {
		if m.Epoch > epoch && !slices.ContainsFunc(m.Migrations, func(x shard.Migration) bool { return x.Epoch == epoch }) {
			delete(d.ended, epoch)
		}
	}
	terms := make(map[uint64]uint64) // epoch -> term
	for _, x := range append(n.unrecorded(m), m.Migrations...) {
		g := n.group(x.From)
		if g == nil || g.Term() == 0 || d.ended[x.Epoch] {
			continue
		}
		terms[x.Epoch] = g.Term()
		if d.running[x.Epoch] == nil {
			n.drive(ctx, x, g)
		}
	}
	for epoch, run := range d.running {
		// One that has just finished ends by itself: it may have keys to delete.
		if term, still := terms[epoch]; still && term != run.term {
			run.cancel()
		}
	}
}

// unrecorded lists migrations that groups led here have not ended although the
// map has: their drivers died in between. If the target has the slots, their keys
// are to be deleted here; else they are undone.
func (n *Node) unrecorded(m *shard.Map) (out []shard.Migration) {
	for _, g := range n.table.Load().local {
		if !g.Serving() {
			continue
		}
		for _, st := range g.State().Migrations() {
			recorded := slices.ContainsFunc(m.Migrations, func(x shard.Migration) bool { return x.Epoch == st.Migration })
			leaves := st.Phase != migrate.Installing && st.Phase != migrate.Aborting
			if !recorded && leaves && st.Migration <= m.Epoch {
				out = append(out, shard.Migration{Epoch: st.Migration, Slots: st.Slots, From: g.ID(), To: st.Peer, Canceled: true, Reason: "it was not finished here"})
			}
		}
	}
	return out
}

// drive begins a driver. It must be called with drivers.mu held.
func (n *Node) drive(ctx context.Context, x shard.Migration, g *group.Group) {
	ctx, cancel := context.WithCancel(ctx)
	run := &driver{term: g.Term(), group: x.From, keys: keysIn(g, x.Slots), began: time.Now(), cancel: cancel}
	n.drivers.running[x.Epoch] = run
	n.drivers.wait.Go(func() {
		defer cancel()
		n.log.Info("migration begins", "topic", eventlog.TopicMigration, "group", x.From, "to", x.To, "epoch", x.Epoch, "slots", shard.FormatRanges(x.Slots), "reason", x.Reason)
		err := n.migrate(ctx, x, g, run)
		p := run.state()
		switch {
		case err == nil:
			n.log.Info("migration ends", "topic", eventlog.TopicMigration, "group", x.From, "to", x.To, "epoch", x.Epoch, "took", time.Since(run.began).Round(time.Millisecond).String(),
				"records", p.Records, "bytes", p.Bytes, "frozen", p.Frozen.Round(time.Microsecond).String())
		case ctx.Err() == nil:
			n.logFailure("a migration does not go on", x.From, err)
			pause(ctx, n.drivers.rest(x.Epoch))
		}
		n.drivers.mu.Lock()
		delete(n.drivers.running, x.Epoch)
		if err == nil {
			n.drivers.ended[x.Epoch] = true
			delete(n.drivers.rests, x.Epoch)
		}
		n.drivers.mu.Unlock()
		n.nudge()
	})
}

// rest returns how long a migration rests that has failed once more.
func (d *drivers) rest(epoch uint64) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest := max(d.rests[epoch], migrationRetry)
	d.rests[epoch] = min(2*rest, longestRetry)
	return rest
}

func (n *Node) migrate(ctx context.Context, x shard.Migration, g *group.Group, run *driver) error {
	pacer := &pacer{rate: migrationRate}
	var last migrate.Step
	err := migrate.Run(ctx, x, fsm.Source{Group: group.Leader{Group: g}}, n.target(x.To), moveRecord{n, run}, migrate.Options{
		Progress:    run.set,
		FreezeLimit: group.Timings[n.config.Profile].Handover,
		Before: func(step migrate.Step) {
			if step != last {
				last = step
				n.log.Info("migration step", "topic", eventlog.TopicMigration, "group", x.From, "to", x.To, "epoch", x.Epoch, "step", string(step))
			}
			n.failpoint(ctx, string(step))
		},
		Pace: func(bytes int) { pacer.pace(ctx, bytes) },
	})
	if err == nil {
		n.logFailure("a migration does not go on", x.From, nil)
	}
	return err
}

func (d *driver) set(p migrate.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.progress = p
}

func (d *driver) state() migrate.Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.progress
}

// moveRecord is the controller's record of migrations.
type moveRecord struct {
	n   *Node
	run *driver
}

var _ migrate.Record = moveRecord{}

func (r moveRecord) Canceled(epoch uint64) bool {
	for _, x := range r.n.shardMap().Migrations {
		if x.Epoch == epoch {
			return x.Canceled
		}
	}
	return false
}

func (r moveRecord) Ended(epoch uint64) bool {
	m := r.n.shardMap()
	return m.Epoch >= epoch && !slices.ContainsFunc(m.Migrations, func(x shard.Migration) bool { return x.Epoch == epoch })
}

func (r moveRecord) Finish(ctx context.Context, epoch uint64) error {
	p := r.run.state()
	how := fmt.Sprintf("%d records, %d KB copied in %v; clients waited %v", p.Records, (p.Bytes+1023)>>10,
		time.Since(r.run.began).Round(time.Millisecond), p.Frozen.Round(time.Millisecond))
	if p.Records == 0 {
		how = "" // another driver has copied them
	}
	_, err := r.n.control(ctx, controller.Because(how, controller.FinishMigration(epoch)))
	return err
}

func (r moveRecord) Abort(ctx context.Context, epoch uint64) error {
	_, err := r.n.control(ctx, controller.AbortMigration(epoch))
	return err
}

// target executes a migration's commands on the leader of a group, wherever that
// is.
func (n *Node) target(id uint32) fsm.Target {
	return func(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
		ctx, cancel := context.WithTimeout(ctx, moveTimeout)
		defer cancel()
		if g := n.group(id); g != nil && g.Serving() {
			return fsm.Move(ctx, group.Leader{Group: g}, number, command)
		}
		peer := n.peerOf(n.leaderOf(id))
		if peer == "" || peer == n.config.Peer {
			return migrate.Status{}, fmt.Errorf("group %d has no leader now", id)
		}
		request := binary.BigEndian.AppendUint32(nil, id)
		request = append(binary.BigEndian.AppendUint64(request, number), command...)
		answer, err := n.transport.Call(ctx, peer, callMove, request)
		if err != nil {
			return migrate.Status{}, err
		}
		var status migrate.Status
		if err := json.Unmarshal(answer, &status); err != nil {
			return status, fmt.Errorf("the answer of %s to migration %d: %w", peer, number, err)
		}
		return status, nil
	}
}

// serveMove executes a migration's command for a driver on another node.
func (n *Node) serveMove(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) < 12 {
		return nil, errors.New("a migration's command: 12 bytes expected at least")
	}
	g := n.group(binary.BigEndian.Uint32(payload))
	if g == nil || !g.Serving() {
		return nil, kv.ErrNoLeader
	}
	status, err := fsm.Move(ctx, group.Leader{Group: g}, binary.BigEndian.Uint64(payload[4:]), payload[12:])
	if err != nil {
		return nil, err
	}
	return json.Marshal(status)
}

// pacer makes a migration rest between its parts. One goroutine uses it.
type pacer struct {
	rate     int           // bytes a second, at most
	debt     time.Duration // rest that is due
	begun    time.Time     // of the part that is sent now
	quickest time.Duration // part so far: what one takes when nothing is in its way
}

// Bounds of a rest. Timers are coarse: short debts wait until they are worth a sleep.
const (
	minRest = 5 * time.Millisecond
	maxRest = 500 * time.Millisecond
	// restShare is how many times as long as a part took is rested at least.
	restShare = 2
	// slack is how many times as long as the quickest part one may take before
	// the rests become longer still.
	slack = 2
)

// pace rests as long as the rate demands, and at least twice as long as the part took. A
// part waits for the same disks and processors as traffic does, so that it takes
// longer than others did says that there is no room: the longer, the smaller is the
// share of the time that copying takes.
func (p *pacer) pace(ctx context.Context, bytes int) {
	rest := time.Duration(bytes) * time.Second / time.Duration(p.rate)
	if !p.begun.IsZero() {
		took := time.Since(p.begun)
		if p.quickest == 0 || took < p.quickest {
			p.quickest = max(took, time.Millisecond)
		}
		shortage := max(1, float64(took)/float64(slack*p.quickest))
		rest = max(rest, time.Duration(min(restShare*float64(took)*shortage, float64(maxRest))))
	}
	if p.debt += rest; p.debt >= minRest {
		pause(ctx, p.debt)
		p.debt = 0
	}
	p.begun = time.Now()
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
