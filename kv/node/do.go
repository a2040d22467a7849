package node

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
)

// doRetry is how long a command waits before it is tried again when no leader
// could be reached.
const doRetry = 50 * time.Millisecond

// Do executes one command on data for a client of HTTP: here if this node leads,
// else on the leader. It tries again while nothing can have been done, until ctx
// ends; an outcome that is not known is UNCERTAIN.
func (n *Node) Do(ctx context.Context, args ...[]byte) kv.Reply {
	for {
		reply := n.redis.Do(ctx, args)
		if code(reply) == "MOVED" {
			reply = n.forward(ctx, args)
		}
		switch code(reply) {
		case "CLUSTERDOWN", "MOVED":
			select {
			case <-time.After(doRetry):
				continue
			case <-ctx.Done():
			}
		}
		return reply
	}
}

func code(r kv.Reply) string {
	if r.Kind != kv.Error {
		return ""
	}
	return kv.ReplyError(r.Str).Code()
}

// forward executes a command on the leader of its slot's group.
func (n *Node) forward(ctx context.Context, args [][]byte) kv.Reply {
	slot, _, failed := command.Lookup(args[0]).Slot(args)
	if failed != "" {
		return failed.Reply()
	}
	peer := n.peerOf(n.leaderOf(n.table.Load().owner(slot)))
	if peer == "" || peer == n.config.Peer {
		return kv.ErrNoLeader.Reply()
	}
	answer, err := n.transport.Call(ctx, peer, callDo, resp.AppendCommand(nil, args...))
	if err != nil {
		if command.Lookup(args[0]).Write() {
			return kv.Uncertain(err).Reply()
		}
		return kv.ErrNoLeader.Reply()
	}
	reply, err := resp.ReadReply(bufio.NewReader(bytes.NewReader(answer)))
	if err != nil {
		return kv.Uncertain(fmt.Errorf("the answer of %s: %w", peer, err)).Reply()
	}
	return reply
}

// serveDo executes a command that another node has forwarded.
func (n *Node) serveDo(ctx context.Context, payload []byte) ([]byte, error) {
	args, size, err := resp.ParseCommand(payload, nil, len(payload))
	if err != nil || size != len(payload) || len(args) == 0 {
		return nil, fmt.Errorf("a forwarded command of %d bytes does not parse: %v", len(payload), err)
	}
	if n.redis == nil {
		return nil, kv.ErrNotReady
	}
	reply := n.redis.Do(ctx, args)
	return resp.AppendReply(nil, &reply, 3), nil
}
