package transport

import (
	"context"
	"net"
)

// Network makes connections between nodes. They must behave as TCP's do: bytes
// arrive in order or not at all, however late. The simulation
// (tests/simulation) has a network in memory. Methods may be called from any
// goroutine.
type Network interface {
	Listen(addr string) (net.Listener, error)
	// Dial connects to a node before ctx ends.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// tcp is the usual network.
type tcp struct{}

var _ Network = tcp{}

func (tcp) Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

func (tcp) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}
