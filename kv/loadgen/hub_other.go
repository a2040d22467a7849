//go:build !linux

package loadgen

import (
	"errors"
	"net"
)

// hub is for where many sockets can be served with one system call.
type hub struct{}

func newHub() (*hub, error)                        { return nil, errors.ErrUnsupported }
func (h *hub) close()                              {}
func (h *hub) adopt(nc net.Conn) (net.Conn, error) { return nc, nil }
