// Package node is one raftkv server process: its data folder, its replicas of
// groups, and its three listeners for Redis clients, HTTP and other nodes.
package node

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"time"

	"raftkv/kv/certs"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/raftlog"
)

// Config says how a node runs. Fill fills in what is left out.
type Config struct {
	// ID names the node in the cluster for good: letters, digits, - and _.
	// Empty: as recorded in Dir.
	ID string
	// Dir is the data folder. Two nodes must never share one.
	Dir string

	// Redis, HTTP and Peer are the addresses to listen on, host:port. They are
	// also told to others, so the host must be one that others reach.
	Redis, HTTP, Peer string

	// Bootstrap makes a new cluster with this node as its only member; Join
	// makes it a member of the cluster that has a node with one of these peer
	// addresses. Both are ignored once the folder belongs to a cluster.
	Bootstrap bool
	Join      []string

	// Groups is how many groups the cluster that Bootstrap makes begins with, 0 for
	// as many as nodes; they are made when it has InitialNodes nodes. Both are
	// ignored later on.
	Groups       int
	InitialNodes int

	LogStore string // "wal" or "boltdb"
	Profile  string // "local" or "wan": how quickly elections happen

	MaxValue   int    // largest value in bytes
	MaxMemory  int64  // bytes of state beyond which writes get OOM; 0: no limit
	MaxClients int    // Redis connections
	MinFree    uint64 // bytes of free disk below which writes are refused

	// ReplayBudget bounds how long replaying the log may take after a restart:
	// a snapshot is taken when it would take longer. Negative: never.
	ReplayBudget time.Duration
	// HangTimeout is how long the disk may not answer before the node stops.
	HangTimeout time.Duration

	// HurryProcessors is how many threads run Go code at a time while it replays a
	// log, or somebody asks for it (Node.Hurry). 0: as many as always.
	HurryProcessors int

	Password string // what AUTH asks for; empty: nothing
	Version  string // of the program
	LogLevel string // debug, info, warn or error
	// Trace are the topics whose messages and entries are followed from the start:
	// some of eventlog.TraceTopics.
	Trace []string
	// TraceSample is of how many entries the trace follows one under load; 1 follows
	// all; 0 is the default.
	TraceSample uint64
	Pprof       bool // serve Go's profiles over HTTP
	// TLS are the node's certificates, for all its ports; none: plain TCP.
	TLS certs.Files
	// Insecure permits addresses that other machines reach, without TLS and a password.
	Insecure bool

	// Now is the wall clock; tests may set their own.
	Now func() time.Time
	// ReplaceAfter is how long a node may be silent before its replicas are replaced
	// on other nodes.
	ReplaceAfter time.Duration
	// AdvertiseReplicas shows clients the replicas of each group beside its leader, for
	// those that spread their reads. A node is then master and replica at a time, which
	// not all clients understand.
	AdvertiseReplicas bool
	// Failpoint, if set, stops migrations that this node drives before the steps of
	// these names (a,b) until a file allows them to go on: see failpoint.go. For tests.
	Failpoint string
	// Faults permits faults to be injected: see package fault. A node whose faults
	// are not enabled refuses them.
	Faults bool
	// Unsafe names a rule that the node breaks, see Unsafes; empty: none. It is refused
	// unless Faults is set.
	Unsafe string
	// DiskFaults, if set, lets tests make the disk fail.
	DiskFaults raftlog.Faults
}

// Defaults of a node.
const (
	DefaultRedis        = "127.0.0.1:7001"
	DefaultHTTP         = "127.0.0.1:8001"
	DefaultPeer         = "127.0.0.1:9001"
	DefaultMaxClients   = 10000
	DefaultMinFree      = 128 << 20
	DefaultReplayBudget = time.Second
	DefaultHangTimeout  = 10 * time.Second
	DefaultReplaceAfter = 5 * time.Minute
)

// maxGroups is more than anybody wants on one node to begin with: each costs
// files, memory and heartbeats.
const maxGroups = 1024

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// fill sets defaults and checks what was given.
func (c *Config) fill() error {
	setDefault(&c.Redis, DefaultRedis)
	setDefault(&c.HTTP, DefaultHTTP)
	setDefault(&c.Peer, DefaultPeer)
	setDefault(&c.LogStore, "wal")
	setDefault(&c.Profile, "local")
	setDefault(&c.LogLevel, "info")
	setDefault(&c.MaxValue, fsm.DefaultMaxValue)
	setDefault(&c.MaxClients, DefaultMaxClients)
	setDefault(&c.MinFree, DefaultMinFree)
	setDefault(&c.ReplayBudget, DefaultReplayBudget)
	setDefault(&c.HangTimeout, DefaultHangTimeout)
	setDefault(&c.ReplaceAfter, DefaultReplaceAfter)
	setDefault(&c.InitialNodes, 1)
	setDefault(&c.Version, "dev "+runtime.Version())
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.checkUnsafe(); err != nil {
		return err
	}
	if c.Dir == "" {
		return errors.New("a data folder is needed: --data DIR")
	}
	if c.ID != "" && !validID.MatchString(c.ID) {
		return fmt.Errorf("node id %q: use up to 64 letters, digits, - and _", c.ID)
	}
	if _, ok := group.Timings[c.Profile]; !ok {
		return fmt.Errorf("profile %q: there are local and wan", c.Profile)
	}
	if c.Groups < 0 || c.Groups > maxGroups || c.InitialNodes < 1 {
		return fmt.Errorf("%d groups and %d nodes to begin with: take up to %d groups, 0 for as many as nodes, and at least 1 node", c.Groups, c.InitialNodes, maxGroups)
	}
	if c.Bootstrap && len(c.Join) > 0 {
		return errors.New("--bootstrap makes a new cluster and --join enters an existing one: give one of them")
	}
	for _, a := range []struct{ flag, addr string }{{"--redis", c.Redis}, {"--http", c.HTTP}, {"--peer", c.Peer}} {
		if err := c.checkAddr(a.flag, a.addr); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkAddr(flag, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %s: want host:port: %w", flag, addr, err)
	}
	if c.Insecure || c.TLS.Given() && c.Password != "" {
		return nil
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s %s is reachable from other machines: that takes TLS (--tls-cert, --tls-key and --tls-ca; `raftkv cert` makes the files) and a password (RAFTKV_PASSWORD), or --insecure in a network that you trust", flag, addr)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
