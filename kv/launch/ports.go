package launch

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// CheckPorts fails if an address cannot be listened on that a node needs which
// does not run, and names all of them.
func (c *Cluster) CheckPorts() error {
	f, err := c.read()
	if err != nil {
		return err
	}
	var taken, other []string
	for _, n := range f.Nodes {
		if n.State() != Dead {
			continue
		}
		for _, a := range []struct{ name, addr string }{{"redis", n.Redis}, {"http", n.HTTP}, {"peer", n.Peer}} {
			l, err := net.Listen("tcp", a.addr)
			switch {
			case err == nil:
				l.Close()
			case errors.Is(err, syscall.EADDRINUSE):
				taken = append(taken, fmt.Sprintf("%s (%s of %s)", a.addr, a.name, n.ID))
			default:
				other = append(other, fmt.Sprintf("%s of %s: %v", a.name, n.ID, err))
			}
		}
	}
	advice := "stop what uses them"
	if !f.begun() {
		advice += ", or take others with --redis-port, --http-port and --peer-port"
	}
	switch {
	case len(taken) > 0:
		return fmt.Errorf("in use already: %s; nothing was started: %s", strings.Join(taken, ", "), advice)
	case len(other) > 0:
		return fmt.Errorf("cannot listen: %s; nothing was started", strings.Join(other, ", "))
	}
	return nil
}
