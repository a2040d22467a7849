package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/shard"
)

const (
	// refreshPause is the least time between two questions for the slots: while
	// a leader is elected, every call would ask all the time.
	refreshPause = 100 * time.Millisecond
	// askTimeout bounds how long one node may take to answer them.
	askTimeout = time.Second
)

// learn asks for fresh routes without waiting for them. The node hint, if not
// nil, is asked first.
func (c *Client) learn(hint *node) {
	select {
	case c.outdated <- hint:
	default: // somebody has asked already
	}
}

// keepRoutes refreshes the routes when they were found outdated, until the
// client is closed.
func (c *Client) keepRoutes() {
	for {
		select {
		case hint := <-c.outdated:
			c.refresh(hint)
		case <-c.ctx.Done():
			return
		}
		select {
		case <-time.After(refreshPause):
		case <-c.ctx.Done():
			return
		}
	}
}

// refresh asks one node after the other until one knows the slots. If none does,
// the routes stay: the next call that goes wrong brings the next refresh.
func (c *Client) refresh(hint *node) {
	asked := make(map[*node]bool)
	for n := hint; c.ctx.Err() == nil; n = nil {
		if n == nil {
			n = nextToAsk(c.routes.known(), asked)
		}
		if n == nil || c.ask(n) == nil {
			return
		}
		asked[n] = true
	}
}

// nextToAsk returns a node that was not asked yet, if possible one that works;
// nil if all were.
func nextToAsk(list []*node, asked map[*node]bool) (next *node) {
	for _, n := range list {
		if asked[n] {
			continue
		}
		if !n.suspect() {
			return n
		}
		next = n
	}
	return next
}

// ask learns from one node who serves which slot, and which nodes there are.
func (c *Client) ask(n *node) error {
	reply, err := c.question(n, "CLUSTER", "SLOTS")
	if err != nil {
		return err
	}
	served, err := parseSlots(reply, n.addr)
	if err != nil {
		return err
	}
	addrs := make([]string, 0, len(served))
	for _, s := range served {
		owner := c.routes.node(s.addr)
		for slot := int(s.slots.From()); slot <= int(s.slots.To()); slot++ {
			c.routes.setOwner(uint16(slot), owner)
		}
		addrs = append(addrs, s.addr)
	}
	// CLUSTER SLOTS lists leaders only. The others are where a follower's reads
	// go, and where to look when a leader is gone.
	reply, err = c.question(n, "CLUSTER", "NODES")
	if err != nil {
		return nil // it told the slots; the nodes that are known stay
	}
	for _, addr := range parseNodes(string(reply.Str), n.addr) {
		c.routes.node(addr)
		addrs = append(addrs, addr)
	}
	c.routes.keep(addrs)
	return nil
}

func (c *Client) question(n *node, args ...string) (kv.Reply, error) {
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	reply, _, err := n.do(ctx, &request{name: args[0], wire: resp.AppendCommand(nil, args...)})
	if err == nil {
		err = reply.Err()
	}
	return reply, err
}

// servedSlots is one entry of CLUSTER SLOTS.
type servedSlots struct {
	slots shard.Range
	addr  string
}

// parseSlots reads the reply of CLUSTER SLOTS from the node at asked.
func parseSlots(reply kv.Reply, asked string) ([]servedSlots, error) {
	if len(reply.Elems) == 0 {
		return nil, errors.New("CLUSTER SLOTS: no node serves any slot now")
	}
	var out []servedSlots
	for _, e := range reply.Elems {
		if len(e.Elems) < 3 || len(e.Elems[2].Elems) < 2 {
			return nil, errors.New("CLUSTER SLOTS: an entry is too short")
		}
		from, to := e.Elems[0].Int, e.Elems[1].Int
		if from < 0 || to >= shard.Slots || from > to {
			return nil, fmt.Errorf("CLUSTER SLOTS: there are no slots %d-%d", from, to)
		}
		host, port := string(e.Elems[2].Elems[0].Str), strconv.FormatInt(e.Elems[2].Elems[1].Int, 10)
		out = append(out, servedSlots{shard.Range{uint16(from), uint16(to)}, fullAddr(host, port, asked)})
	}
	return out, nil
}

// parseNodes reads the addresses in the reply of CLUSTER NODES, whose lines are
// "id host:port@bus flags ...".
func parseNodes(text, asked string) []string {
	var out []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 || strings.Contains(words[2], "noaddr") {
			continue
		}
		addr, _, _ := strings.Cut(words[1], "@")
		host, port, err := net.SplitHostPort(addr)
		if err == nil && port != "" && port != "0" {
			out = append(out, fullAddr(host, port, asked))
		}
	}
	return out
}
