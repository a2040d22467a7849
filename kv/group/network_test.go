package group

import (
	"log/slog"
	"net"
	"testing"

	"raftkv/kv/transport"
)

// listenTransport returns a node's transport on a free port.
func listenTransport(t *testing.T, node string) *transport.Transport {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	network, err := transport.Listen(transport.Options{Addr: addr, Node: node, Cluster: func() string { return "c" }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { network.Close() })
	return network
}
