package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"raftkv/kv"
)

// ErrUncertain is wrapped by errors of calls that ended while it was not known
// whether the write took effect.
const ErrUncertain = kv.ErrUncertain

// ErrClosed is wrapped by errors of calls on a closed client.
var ErrClosed = errors.New("the client is closed")

// DefaultTimeout bounds calls whose context has no deadline.
const DefaultTimeout = 10 * time.Second

// maxRetrying bounds how long one write is sent again. The cluster forgets a
// session after an hour without commands; sent again after that, a write would
// be executed a second time.
const maxRetrying = 30 * time.Minute

// Options say how to reach a cluster.
type Options struct {
	// Addrs are Redis addresses (host:port) of some nodes, at least one. The
	// others are found through them; several help when one is down at the start.
	Addrs []string
	// Password is sent as AUTH on every connection; empty: none.
	Password string
	// TLS is how nodes that speak it are spoken to; nil: plain TCP. A server name is not
	// needed: it is the host of each node.
	TLS *tls.Config
	// FollowerReads sends reads of keys to any node, not only to the leader.
	// They stay linearizable, and take a question to the leader each.
	FollowerReads bool

	// DialTimeout bounds opening one connection, AUTH included. 0: 1 s.
	DialTimeout time.Duration
	// AttemptTimeout is how long one node may take for a command with a key
	// before it is sent again, perhaps to another node. Too short, it loads a
	// slow cluster even more; too long, it delays the way around a node that
	// hangs. Commands without keys wait as long as their context. 0: 3 s.
	AttemptTimeout time.Duration
	// PoolSize is the largest number of connections to one node. A connection
	// carries one command at a time; further calls wait for one. 0: 64.
	PoolSize int
}

// complete checks o and fills in defaults.
func (o *Options) complete() error {
	if len(o.Addrs) == 0 {
		return errors.New("client: Options.Addrs is empty: name at least one node as host:port")
	}
	for _, addr := range o.Addrs {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return fmt.Errorf("client: Options.Addrs: %q is not an address such as 127.0.0.1:7001", addr)
		}
	}
	if o.DialTimeout < 0 || o.AttemptTimeout < 0 || o.PoolSize < 0 {
		return errors.New("client: DialTimeout, AttemptTimeout and PoolSize must not be negative")
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = time.Second
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = 3 * time.Second
	}
	if o.PoolSize == 0 {
		o.PoolSize = 64
	}
	return nil
}

// Client talks to one cluster. Its methods may be called from any goroutine.
type Client struct {
	routes *routes
	lanes  *lanes

	followerReads bool

	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	outdated   chan *node // capacity 1: the routes want a refresh
	background sync.WaitGroup
}

// New makes a client. It fails only if the options make no sense: nodes are
// contacted by calls and, to learn who serves which slot, in the background.
// The client must be closed.
func New(opts Options) (*Client, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	c := &Client{
		routes:        newRoutes(&opts),
		lanes:         newLanes(rand.Text()),
		followerReads: opts.FollowerReads,
		outdated:      make(chan *node, 1),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.learn(nil)
	c.background.Go(c.keepRoutes)
	return c, nil
}

// Close ends the calls in progress, with ErrClosed and, where it applies, with
// ErrUncertain. It returns nil; closing twice is allowed.
func (c *Client) Close() error {
	c.cancel()
	c.background.Wait()
	c.routes.close()
	return nil
}
