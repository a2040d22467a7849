package server

import (
	"context"
	"errors"
	"net"
	"time"

	"raftkv/kv"
)

// Faults carries out what RAFTKV.FAULT says. An error is a kv.ReplyError.
type Faults interface {
	// Order begins the fault of this line, or with "list" and "heal [ID]" lists and
	// ends those that are active. It returns lines that say what is or was done.
	Order(ctx context.Context, words []string) ([]string, error)
}

// faultTimeout bounds an order about faults.
const faultTimeout = 10 * time.Second

// errFarFault refuses to break things for whoever comes from another machine.
const errFarFault = kv.ReplyError("ERR faults are injected from this machine alone, unless the cluster has a password")

func faults(c *conn, a [][]byte) kv.Reply {
	if c.server.opts.Faults == nil {
		return kv.ErrorReply("ERR faults are not enabled on this node")
	}
	if c.server.opts.Password == "" && !local(c.nc.RemoteAddr()) {
		return errFarFault.Reply()
	}
	words := make([]string, len(a)-1)
	for i, word := range a[1:] {
		words[i] = string(word)
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, faultTimeout)
	defer cancel()
	lines, err := c.server.opts.Faults.Order(ctx, words)
	var known kv.ReplyError
	switch {
	case errors.As(err, &known):
		return known.Reply()
	case err != nil:
		return kv.ErrorReply("ERR " + err.Error())
	}
	out := kv.ArrayReply()
	for _, line := range lines {
		out.Elems = append(out.Elems, kv.BulkString(line))
	}
	return out
}

// local tells whether an address is of this machine.
func local(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
