package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv/history"
)

// run is one check of a cluster.
type run struct {
	config   Config
	mix      mix
	cluster  *cluster
	identity uint64 // of this run: two with the same seed must not share keys
	skew     time.Duration
	began    time.Time
	names    map[string]string // of nodes, by Redis and HTTP address

	current atomic.Pointer[window]
	stop    context.CancelFunc // ends the work
	windows chan *window       // that clients are to leave, to be judged
	archive *archive
	keeper  *keeper

	known, unknowns, refusals atomic.Int64
	lastAnswer, silence       atomic.Int64 // ns since the run began, and ns
	outage, moves             atomic.Int64 // ns; begun

	mu     sync.Mutex // guards what follows
	report Report
	fault  string // that is active
}

func newRun(config Config) (*run, error) {
	r := &run{config: config, mix: newMix(config.Workloads), cluster: &cluster{http: config.HTTP, password: config.Password}, skew: config.skew(), windows: make(chan *window, 1000),
		identity: rand.Uint64() >> 32, report: Report{Seed: config.Seed, Checks: newChecks(), Problems: []Problem{}, Faults: []Injected{}}, began: time.Now()}
	if err := os.MkdirAll(config.Out, 0o755); err != nil {
		return nil, err
	}
	var err error
	if r.archive, err = newArchive(config.Out); err != nil {
		return nil, err
	}
	r.report.History = r.archive.path
	r.keeper = &keeper{newClient(r, config.Clients)}
	return r, nil
}

func (r *run) close() {
	r.archive.close()
	r.keeper.close()
}

// now is the time in ns since the run began. It never goes back.
func (r *run) now() int64 { return int64(time.Since(r.began)) }

// await waits until all nodes serve, and learns their names.
func (r *run) await(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := r.cluster.awaitReady(ctx); err != nil {
		return err
	}
	status, err := r.cluster.status(ctx)
	if err != nil {
		return err
	}
	if r.config.Moves {
		if err := r.config.Breaker.manyGroups(ctx); err != nil {
			return err
		}
	}
	r.names = make(map[string]string)
	for _, n := range status.Nodes {
		r.names[n.Redis], r.names[n.HTTP] = n.ID, n.ID
	}
	return nil
}

func (r *run) nodeName(addr string) string {
	if name := r.names[addr]; name != "" {
		return name
	}
	return addr
}

// work lets clients work and faults come until ctx ends.
func (r *run) work(ctx context.Context) {
	r.current.Store(newWindow(r.identity, 1, r.config.Keys))
	var workers, judging sync.WaitGroup
	for id := range r.config.Clients {
		workers.Go(func() {
			c := newClient(r, id)
			defer c.close()
			c.work(ctx)
		})
	}
	if len(r.config.Classes) > 0 {
		workers.Go(func() { r.breakThings(ctx) })
	}
	if r.config.Moves {
		workers.Go(func() { r.moveThings(ctx) })
	}
	workers.Go(func() { r.tell(ctx) })
	settled, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	judging.Go(func() {
		for w := range r.windows {
			r.settle(settled, w)
		}
	})
	r.rotate(ctx)
	workers.Wait()
	r.quiet()
	limit := r.config.Within
	if !r.heal(context.WithoutCancel(ctx)) {
		limit = 0 // what cannot be read now will not be soon
	}
	unblock := time.AfterFunc(limit, stop)
	defer unblock.Stop()
	r.windows <- r.current.Load()
	close(r.windows)
	judging.Wait()
}

// rotate begins a new window each time that one is over, until ctx ends.
func (r *run) rotate(ctx context.Context) {
	ticker := time.NewTicker(r.config.Window)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w := r.current.Load()
			r.current.Store(newWindow(r.identity, w.number+1, r.config.Keys))
			r.windows <- w
		case <-ctx.Done():
			return
		}
	}
}

// settle reads the keys of a window once more when all clients have left it, and
// judges what was seen of them.
func (r *run) settle(ctx context.Context, w *window) {
	w.close()
	complete := r.keeper.readAll(ctx, w)
	r.archive.add(w.ops)
	found := examine(w.number, w.ops, r.config.Patience, r.config.Out) // which may take long
	r.mu.Lock()
	before := len(r.report.Problems)
	r.report.enter(w.number, w.ops, found)
	if !complete {
		r.report.undecided(Acknowledged, fmt.Sprintf("the keys of window %d could not be read in the end", w.number))
	}
	wrong := len(r.report.Problems) > before
	r.mu.Unlock()
	if wrong && r.config.StopEarly {
		r.stop()
	}
	if complete && !wrong {
		r.keeper.retire(ctx, w)
	}
}

// finish looks at the cluster when all is quiet, and sums up.
func (r *run) finish(ctx context.Context) {
	limit := r.config.Within
	if r.report.check(Serving).Result != history.Correct {
		limit = askTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.keeper.verify(ctx, &r.report)
	r.report.inspect(ctx, r.cluster)
	r.report.Took = seconds(time.Since(r.began))
	r.report.Refused = r.refusals.Load()
	r.report.Silence = seconds(time.Duration(r.silence.Load()))
	r.report.Unavailable = seconds(time.Duration(max(r.outage.Load(), r.silence.Load())))
	r.report.Moves = r.moves.Load()
	if err := r.archive.err; err != nil {
		r.report.undecided(Linearizable, "the history could not be written: "+err.Error())
	}
	r.report.conclude()
}

// heal ends all faults and measures how long the cluster takes to serve again. It
// tells whether it does.
func (r *run) heal(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, r.config.Within)
	defer cancel()
	start := time.Now()
	var err error
	ready := r.cluster.awaitReady
	if len(r.config.Classes) > 0 {
		err = r.config.Breaker.Heal(ctx)
		ready = r.config.Breaker.AwaitReady
	}
	if err == nil {
		start = time.Now()
		if err = ready(ctx); err == nil {
			prober := &keeper{newClient(r, r.config.Clients)} // the other one is at work
			err = prober.probe(ctx)
			prober.close()
		}
	}
	r.mu.Lock() // windows are still being judged
	defer r.mu.Unlock()
	r.report.Healed = seconds(time.Since(start))
	if err != nil {
		r.report.wrong(Problem{Check: Serving, Text: fmt.Sprintf("the cluster does not serve %v after all faults were healed: %v", r.config.Within, err)})
		return false
	}
	r.report.check(Serving).Detail = fmt.Sprintf("%v after the end; %v are allowed", time.Since(start).Round(time.Millisecond), r.config.Within)
	return true
}

// answered notes that somebody was answered.
func (r *run) answered() {
	r.known.Add(1)
	r.quiet()
}

// quiet measures how long nobody had been answered.
func (r *run) quiet() {
	now := r.now()
	if gap := now - r.lastAnswer.Swap(now); gap > r.silence.Load() {
		r.silence.Store(gap) // two at once are of the same silence
	}
}

// waited notes how long nobody had been answered who asked for some keys.
func (r *run) waited(gap int64) {
	for {
		longest := r.outage.Load()
		if gap <= longest || r.outage.CompareAndSwap(longest, gap) {
			return
		}
	}
}

// missed notes that an operation had no answer.
func (r *run) missed(end outcome) {
	if end == refused {
		r.refusals.Add(1)
	} else {
		r.unknowns.Add(1)
	}
}

// surprise notes an answer that cannot be.
func (r *run) surprise(w *window, o *history.Operation, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.wrong(Problem{Check: Answers, Window: w.number, Text: fmt.Sprintf("%s was answered %s by %s", o, text, o.Node)})
}

// tell reports how the run goes on, until ctx ends.
func (r *run) tell(ctx context.Context) {
	if r.config.Progress == nil {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		p := Progress{Elapsed: time.Since(r.began), Known: r.known.Load(), Unknown: r.unknowns.Load(), Refused: r.refusals.Load()}
		r.mu.Lock()
		p.Fault, p.Faults, p.Windows, p.Problem = r.fault, len(r.report.Faults), r.report.Windows, len(r.report.Problems)
		r.mu.Unlock()
		r.config.Progress(p)
	}
}
