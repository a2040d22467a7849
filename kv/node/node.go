package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv/api"
	"raftkv/kv/certs"
	"raftkv/kv/eventlog"
	"raftkv/kv/fault"
	"raftkv/kv/group"
	"raftkv/kv/metrics"
	"raftkv/kv/pulse"
	"raftkv/kv/server"
	"raftkv/kv/transport"
	"raftkv/shard"
)

// An orderly end is bounded, and more so after a failure: nothing is handed over then, and
// what keeps the process alive is a disk that hangs.
const (
	closeTimeout       = 10 * time.Second
	closeFailedTimeout = 2 * time.Second
)

// httpGrace is how long HTTP requests that are under way may take to get their
// answers when the node ends. An order that is carried out and not answered is one
// that somebody has to look after.
const httpGrace = time.Second

// traceFiles is how many rotated files of the trace are kept: under full load the
// last minutes, at rest the last hours.
const traceFiles = 3

// Node is a running server process. Several may run in one process, each with
// its own folder and ports. Its methods may be called from any goroutine.
type Node struct {
	config    Config
	lock      *os.File
	events    *eventlog.Log
	trace     *eventlog.Tracer
	log       *slog.Logger
	metrics   *metrics.Metrics
	pulse     *pulse.Pulse
	faults    *fault.Set // nil: they are not enabled
	peerNames sync.Map   // peer address -> node id, for faults: learnFaults's
	// credentials are for TLS; nil: none is spoken.
	credentials *certs.Credentials
	transport   *transport.Transport
	redis       *server.Server
	http        *http.Server
	started     time.Time
	wakes       [wakeCount]chan struct{} // capacity 1 each: something may have changed

	mu       sync.Mutex // guards identity's fields but for those that never change
	identity *identity
	groups   atomic.Pointer[[]*group.Group] // sorted; replaced, never changed
	table    atomic.Pointer[table]
	place    atomic.Pointer[place] // what keepPlace was told

	board     *board                   // of use on the controller's leader
	newcomers newcomers                // as above
	bulletin  atomic.Pointer[bulletin] // what came from there
	lost      atomic.Pointer[lost]     // lookForLost's; replaced, never changed
	reporting atomic.Pointer[context.CancelFunc]
	feed      feed         // events, of the whole cluster
	faultNews faultNews    // what began or ended here, and was not told yet
	ledAt     atomic.Int64 // when this node began to lead group 0, Unix time in ms
	complaints
	hurry hurry

	heardController time.Time // keepPlace's
	followed        uint64    // followMap's: the epoch of the last map that it has read
	// tendGroups's: when new groups came to be led here, and the newest map whose
	// slots the groups have.
	ledSince   map[uint32]time.Time
	slotsTaken map[uint32]*shard.Map

	failed   atomic.Pointer[error]
	drivers  drivers
	planning planning
	rerouted bell          // rung when routes may have changed
	fatal    chan struct{} // closed when failed is set
	ctx      context.Context
	cancel   context.CancelFunc
	keepers  sync.WaitGroup // the loops
	tasks    sync.WaitGroup // the listeners
	closing  sync.Once
	closeErr error
}

// Open starts a node. It returns when the node listens; use Ready to know
// whether it serves.
func Open(config Config) (*Node, error) {
	if config.Dir == "" {
		return nil, errors.New("a data folder is needed: --data DIR")
	}
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, err
	}
	n := &Node{
		lock:       lock,
		pulse:      pulse.New(),
		started:    time.Now(),
		ledSince:   make(map[uint32]time.Time),
		slotsTaken: make(map[uint32]*shard.Map),
		fatal:      make(chan struct{}),
	}
	n.board = newBoard(n.pulse, n.tell)
	for i := range n.wakes {
		n.wakes[i] = make(chan struct{}, 1)
	}
	n.groups.Store(new([]*group.Group))
	n.place.Store(new(place))
	n.bulletin.Store(new(bulletin))
	n.retable()
	n.hurry.processors = config.HurryProcessors
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.config, n.identity, err = settle(config); err == nil {
		err = n.start()
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// start brings up what the node consists of, the network last.
func (n *Node) start() error {
	level := new(slog.Level)
	if err := level.UnmarshalText([]byte(n.config.LogLevel)); err != nil {
		return fmt.Errorf("log level %q: there are debug, info, warn and error", n.config.LogLevel)
	}
	var err error
	n.events, err = eventlog.Open(eventlog.Options{
		Path: filepath.Join(n.config.Dir, "log", "node.jsonl"), Node: n.config.ID, Level: *level,
	})
	if err != nil {
		return err
	}
	n.log = n.events.Logger()
	n.trace, err = eventlog.OpenTracer(eventlog.Options{Path: filepath.Join(n.config.Dir, "log", "trace.jsonl"), Node: n.config.ID, Keep: traceFiles, Pulse: n.pulse})
	if err != nil {
		return err
	}
	n.trace.Follow(n.config.Trace)
	n.trace.SetSample(n.config.TraceSample)
	n.log.Info("starting", "topic", "node", "version", n.config.Version, "pid", os.Getpid(), "dir", n.config.Dir,
		"redis", n.config.Redis, "http", n.config.HTTP, "peer", n.config.Peer, "incarnation", n.identity.Incarnation, "cluster", n.identity.Cluster)
	n.metrics = metrics.New(n.config.ID, n.config.Version)

	if n.config.TLS.Given() {
		if n.credentials, err = certs.Load(n.config.TLS); err != nil {
			return err
		}
	}
	redis, err := n.listen(n.config.Redis)
	if err != nil {
		return fmt.Errorf("redis address: %w", err)
	}
	web, err := n.listen(n.config.HTTP)
	if err != nil {
		redis.Close()
		return fmt.Errorf("http address: %w", err)
	}
	n.enableFaults()
	if warning := UnsafeWarning(n.config.Unsafe); warning != "" {
		n.log.Error(warning, "topic", "node")
	}
	n.transport, err = transport.Listen(n.transportOptions())
	if err == nil {
		err = n.openAll()
	}
	if err != nil {
		redis.Close()
		web.Close()
		return err
	}
	n.redis = server.New(routes{n}, server.Options{
		Addr: n.config.Redis, MaxClients: n.config.MaxClients, MaxValue: n.config.MaxValue,
		Password: n.config.Password, Version: n.config.Version, Now: n.now, Faults: redisFaults{n}, Logger: n.log, Trace: n.trace,
	})
	n.metrics.Watch(n.metricSources())
	n.http = &http.Server{Handler: api.New(n, api.Options{
		Password: n.config.Password, MaxValue: n.config.MaxValue, Metrics: n.metrics.Gatherer(), Pprof: n.config.Pprof, Logger: n.log,
		Stopping: n.ctx.Done(),
	}), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(n.log.With("topic", "server").Handler(), slog.LevelWarn)}
	n.retable()
	n.keep(wakePlace, n.keepPlace)
	n.keep(wakeReplicas, n.alignReplicas)
	n.keep(wakeGroups, n.tendGroups)
	n.keep(wakeController, n.lead)
	n.keep(wakeMoves, n.driveMigrations)
	n.keep(wakeEvents, n.followMap)
	n.keep(wakeLost, n.lookForLost)
	n.keepers.Go(func() { n.keepReporting(n.ctx) })
	n.keepers.Go(func() { n.watchStalls(n.ctx) })
	n.keepers.Go(func() { n.learnFaults(n.ctx) })
	n.tasks.Go(func() {
		if err := n.redis.Serve(redis); err != nil {
			n.fail(fmt.Errorf("redis listener: %w", err))
		}
	})
	n.tasks.Go(func() {
		if err := n.http.Serve(web); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("http listener: %w", err))
		}
	})
	return nil
}

// listen opens a port for clients.
func (n *Node) listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil && n.credentials != nil {
		l = tls.NewListener(l, n.credentials.Server())
	}
	return l, err
}

// settle joins the configuration with what the folder remembers.
func settle(c Config) (Config, *identity, error) {
	id, err := readIdentity(c.Dir)
	if err != nil {
		return c, nil, err
	}
	if id != nil {
		if c.ID != "" && c.ID != id.ID {
			return c, nil, fmt.Errorf("the data folder %s belongs to node %s, not to %s", c.Dir, id.ID, c.ID)
		}
		c.ID = id.ID
		setDefault(&c.Redis, id.Redis)
		setDefault(&c.HTTP, id.HTTP)
		setDefault(&c.Peer, id.Peer)
		return c, id, c.fill()
	}
	if err := c.fill(); err != nil {
		return c, nil, err
	}
	switch {
	case c.ID == "":
		return c, nil, errors.New("a new node needs a name: --id n1")
	case !c.Bootstrap && len(c.Join) == 0:
		return c, nil, fmt.Errorf("the data folder %s is new: say --bootstrap to begin a cluster with this node, or --join HOST:PORT (a peer address) to enter one", c.Dir)
	}
	id = &identity{
		Format: identityFormat, ID: c.ID, Incarnation: randomHex(8),
		Redis: c.Redis, HTTP: c.HTTP, Peer: c.Peer, Peers: c.Join,
		Bootstrap: c.Bootstrap,
	}
	if c.Bootstrap {
		id.Cluster = randomHex(8)
		id.Initial = initial{Groups: c.Groups, Nodes: c.InitialNodes}
	}
	return c, id, id.write(c.Dir)
}

// ID returns the node's name.
func (n *Node) ID() string { return n.config.ID }

func (n *Node) cluster() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity.Cluster
}

// group returns this node's replica of a group, or nil.
func (n *Node) group(id uint32) *group.Group {
	for _, g := range *n.groups.Load() {
		if g.ID() == id {
			return g
		}
	}
	return nil
}

// fail stops the node for good; Wait returns err. It does not block.
func (n *Node) fail(err error) {
	if n.failed.CompareAndSwap(nil, &err) {
		close(n.fatal)
	}
}

// Failure returns why the node had to stop, or nil.
func (n *Node) Failure() error {
	if p := n.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Wait returns when the node must stop for good, with the reason, or when ctx
// ends.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-n.fatal:
		return n.Failure()
	case <-ctx.Done():
		return nil
	}
}

// Close ends the node in order: leadership goes to another replica, clients get
// the replies that are due, files are closed. It gives up after 10 s, as when a
// disk hangs.
func (n *Node) Close() error {
	n.closing.Do(func() {
		done := make(chan error, 1)
		go func() { done <- n.close() }()
		limit := closeTimeout
		if n.Failure() != nil {
			limit = closeFailedTimeout
		}
		select {
		case n.closeErr = <-done:
		case <-time.After(limit):
			n.closeErr = fmt.Errorf("node %s could not be closed within %v", n.config.ID, limit)
		}
	})
	return n.closeErr
}

// closeGroups closes the replicas beside each other: one whose disk hangs must not keep
// the others leading.
func (n *Node) closeGroups() error {
	groups := *n.groups.Load()
	errs := make([]error, len(groups))
	var closing sync.WaitGroup
	for i, g := range groups {
		closing.Go(func() { errs[i] = g.Close() })
	}
	closing.Wait()
	return errors.Join(errs...)
}

func (n *Node) close() error {
	n.cancel()
	n.keepers.Wait()
	n.drivers.wait.Wait()
	var errs []error
	if n.Failure() == nil {
		for _, g := range *n.groups.Load() {
			if g.Serving() && len(g.Servers()) > 1 {
				if err := g.TransferLeadership(""); err != nil {
					n.log.Info("leadership stays where it is", "topic", "leadership", "group", g.ID(), "error", err)
				}
			}
		}
	}
	if n.redis != nil {
		n.redis.Close()
	}
	if n.http != nil {
		errs = append(errs, n.closeHTTP())
	}
	errs = append(errs, n.closeGroups())
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	n.tasks.Wait()
	n.pulse.Close()
	errs = append(errs, n.trace.Close())
	if n.faults != nil {
		n.faults.Close()
	}
	if n.events != nil {
		n.log.Info("stopped", "topic", "node", "error", n.Failure())
		errs = append(errs, n.events.Close())
	}
	errs = append(errs, n.lock.Close())
	return errors.Join(errs...)
}

// closeHTTP takes no more requests and answers those that it has.
func (n *Node) closeHTTP() error {
	ctx, cancel := context.WithTimeout(context.Background(), httpGrace)
	defer cancel()
	if err := n.http.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return n.http.Close()
}
