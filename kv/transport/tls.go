package transport

import (
	"context"
	"crypto/tls"
	"net"
)

// tlsNetwork is TCP with TLS at both ends.
type tlsNetwork struct {
	tcp
	server, client *tls.Config
}

var _ Network = tlsNetwork{}

// TLS returns a network whose nodes show each other certificates, as the two sides are
// configured. A node's certificate must be for the host that others reach it by.
func TLS(server, client *tls.Config) Network { return tlsNetwork{server: server, client: client} }

func (n tlsNetwork) Listen(addr string) (net.Listener, error) {
	l, err := n.tcp.Listen(addr)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, n.server), nil
}

func (n tlsNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	d := tls.Dialer{Config: n.client}
	return d.DialContext(ctx, "tcp", addr)
}
