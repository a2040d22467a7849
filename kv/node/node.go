package node

import (
	"context"
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

	"github.com/hashicorp/raft"

	"raftkv/kv/api"
	"raftkv/kv/eventlog"
	"raftkv/kv/group"
	"raftkv/kv/metrics"
	"raftkv/kv/raftlog"
	"raftkv/kv/server"
	"raftkv/kv/transport"
)

// dataGroup is the group that owns all slots.
const dataGroup = 1

// closeTimeout bounds an orderly end; a disk that hangs must not hold it up.
const closeTimeout = 10 * time.Second

// Node is a running server process. Several may run in one process, each with
// its own folder and ports. Its methods may be called from any goroutine.
type Node struct {
	config    Config
	lock      *os.File
	events    *eventlog.Log
	log       *slog.Logger
	metrics   *metrics.Metrics
	transport *transport.Transport
	redis     *server.Server
	http      *http.Server
	started   time.Time
	admitting chan struct{} // capacity 1: held while a member is added
	wake      chan struct{} // capacity 1: membership should be looked at

	mu       sync.Mutex
	identity *identity
	groups   atomic.Pointer[[]*group.Group] // replaced, never changed

	failed   atomic.Pointer[error]
	fatal    chan struct{} // closed when failed is set
	ctx      context.Context
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
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
		lock:      lock,
		started:   time.Now(),
		admitting: make(chan struct{}, 1),
		wake:      make(chan struct{}, 1),
		fatal:     make(chan struct{}),
	}
	n.groups.Store(new([]*group.Group))
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
	n.log.Info("starting", "topic", "node", "version", n.config.Version, "pid", os.Getpid(), "dir", n.config.Dir,
		"redis", n.config.Redis, "http", n.config.HTTP, "peer", n.config.Peer, "replica", n.identity.Replica, "cluster", n.identity.Cluster)
	n.metrics = metrics.New(n.config.ID, n.config.Version)

	redis, err := net.Listen("tcp", n.config.Redis)
	if err != nil {
		return fmt.Errorf("redis address: %w", err)
	}
	web, err := net.Listen("tcp", n.config.HTTP)
	if err != nil {
		redis.Close()
		return fmt.Errorf("http address: %w", err)
	}
	n.transport, err = transport.Listen(transport.Options{
		Addr: n.config.Peer, Node: n.config.ID, Cluster: n.cluster, Handle: n.serveCall, Logger: n.log,
	})
	if err == nil {
		err = n.openGroups()
	}
	if err != nil {
		redis.Close()
		web.Close()
		return err
	}
	n.redis = server.New(routes{n}, server.Options{
		Addr: n.config.Redis, MaxClients: n.config.MaxClients, MaxValue: n.config.MaxValue,
		Password: n.config.Password, Version: n.config.Version, Logger: n.log,
	})
	n.metrics.Watch(n.metricSources())
	n.http = &http.Server{Handler: api.New(n, api.Options{
		Password: n.config.Password, MaxValue: n.config.MaxValue, Metrics: n.metrics.Gatherer(), Pprof: n.config.Pprof, Logger: n.log,
	}), ReadHeaderTimeout: 5 * time.Second}
	n.tasks.Go(func() { n.keepMembership(n.ctx) })
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
		Format: identityFormat, ID: c.ID, Replica: newReplica(c.ID),
		Redis: c.Redis, HTTP: c.HTTP, Peer: c.Peer, Peers: c.Join,
		Bootstrap: c.Bootstrap,
	}
	if c.Bootstrap {
		id.Cluster = randomHex(8)
	}
	return c, id, id.write(c.Dir)
}

func (n *Node) openGroups() error {
	g, err := n.openGroup(dataGroup, n.identity.Bootstrap)
	if err != nil {
		return err
	}
	n.groups.Store(&[]*group.Group{g})
	n.nudge()
	return nil
}

// groupConfig is what a replica on this node runs with.
func (n *Node) groupConfig(id uint32, dir string, bootstrap bool) group.Config {
	m := n.metrics.Group(id)
	logger := n.log.With(eventlog.KeyGroup, id)
	replica := raft.ServerID(n.identity.Replica)
	return group.Config{
		ID: id, Cluster: n.cluster(), Node: n.config.ID, Replica: replica,
		Peer: raft.ServerAddress(n.config.Peer), Dir: dir,
		Timing:    group.Timings[n.config.Profile],
		Transport: n.transport.Group(id, replica),
		Log: raftlog.Options{
			Store: n.config.LogStore, MinFree: n.config.MinFree, HangTimeout: n.config.HangTimeout,
			Faults: n.config.DiskFaults, Logger: eventlog.Hclog(logger, eventlog.TopicStore), Stored: m.LogStored,
		},
		Bootstrap:     bootstrap,
		ReplayBudget:  max(n.config.ReplayBudget, 0),
		AskReadIndex:  n.askReadIndex(id),
		Fatal:         n.fail,
		Now:           n.config.Now,
		LeaderChanged: func(bool) { n.nudge() },
		Observe: group.Observer{
			Proposed: m.Proposed, Applied: m.Applied, Snapshot: m.Snapshot, ReadRound: m.ReadRound,
			Restored: m.Restored, Replayed: m.Replayed, Leadership: m.Leadership,
		},
		Logger:  n.log,
		RaftLog: eventlog.Hclog(logger, eventlog.TopicReplication),
	}
}

// nudge makes keepMembership look at once.
func (n *Node) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
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
		select {
		case n.closeErr = <-done:
		case <-time.After(closeTimeout):
			n.closeErr = fmt.Errorf("node %s could not be closed within %v", n.config.ID, closeTimeout)
		}
	})
	return n.closeErr
}

func (n *Node) close() error {
	n.cancel()
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
		errs = append(errs, n.http.Close())
	}
	for _, g := range *n.groups.Load() {
		errs = append(errs, g.Close())
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	n.tasks.Wait()
	if n.events != nil {
		n.log.Info("stopped", "topic", "node", "error", n.Failure())
		errs = append(errs, n.events.Close())
	}
	errs = append(errs, n.lock.Close())
	return errors.Join(errs...)
}
