package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
)

// Faults carries out what RAFTKV.FAULT says. An error is a kv.ReplyError.
type Faults interface {
	// Order begins the fault of this line, or with "list" and "heal [ID]" lists and
	// ends those that are active. It returns lines that say what is or was done.
	Order(ctx context.Context, words []string) ([]string, error)
}

// faultTimeout bounds an order about faults.
const faultTimeout = 10 * time.Second

// maxSleep bounds DEBUG SLEEP.
const maxSleep = time.Hour

// errFarFault refuses to break things for whoever comes from another machine.
const errFarFault = kv.ReplyError("ERR faults are injected from this machine alone, unless the cluster has a password")

func faults(c *conn, a [][]byte) kv.Reply {
	if err := c.mayBreak(); err != "" {
		return err.Reply()
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

// mayBreak returns the error for who may not break things on purpose here.
func (c *conn) mayBreak() kv.ReplyError {
	switch {
	case c.server.opts.Faults == nil:
		return "ERR faults are not enabled on this node"
	case c.server.opts.Password == "" && !local(c.nc.RemoteAddr()):
		return errFarFault
	}
	return ""
}

// debug serves DEBUG SLEEP alone: the connection, and not the node as in Redis, does
// nothing for so many seconds.
func debug(c *conn, a [][]byte) kv.Reply {
	if err := c.mayBreak(); err != "" {
		return err.Reply()
	}
	if !is(a[1], "sleep") {
		return unknownSub(a)
	}
	if len(a) != 3 {
		return command.WrongArity("debug|sleep").Reply()
	}
	seconds, err := strconv.ParseFloat(string(a[2]), 64)
	if err != nil || !(seconds >= 0 && seconds <= maxSleep.Seconds()) {
		return kv.ErrorReply(fmt.Sprintf("ERR DEBUG SLEEP takes 0 to %g seconds", maxSleep.Seconds()))
	}
	select {
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	case <-c.server.ctx.Done():
	}
	return kv.OK
}

// local tells whether an address is of this machine.
func local(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
