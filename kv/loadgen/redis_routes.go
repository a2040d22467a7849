package loadgen

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

// routes tells which server gets a key's commands. It is not changed once made.
type routes struct {
	addrs []string
	// owner holds an index into addrs by slot, -1 where no server is known. nil:
	// the servers are no cluster.
	owner *[shard.Slots]int16
}

// addr returns where a command for key goes. Where no server is known, any will
// tell what is the matter.
func (r *routes) addr(slot uint16, client int) string {
	if r.owner == nil {
		return r.addrs[client%len(r.addrs)]
	}
	return r.addrs[max(r.owner[slot], 0)]
}

// single says that one server gets everything, so that slots do not matter.
func (r *routes) single() bool { return r.owner == nil || len(r.addrs) == 1 }

// askTimeout bounds how long one server may take to tell the slots.
const askTimeout = time.Second

// ask asks one server who serves which slot.
func (t *RedisTarget) ask(ctx context.Context, addr string) (*routes, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := t.dialSocket(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	defer s.close()
	reply, err := s.call(ctx, "CLUSTER", "SLOTS")
	if err != nil {
		return nil, err
	}
	if reply.Kind == kv.Error {
		if e := kv.ReplyError(reply.Str); e.Code() != "ERR" {
			return nil, e // NOAUTH, LOADING
		}
		return &routes{addrs: t.seeds}, nil // no cluster
	}
	return parseSlots(reply, addr)
}

// parseSlots reads the reply of CLUSTER SLOTS from the server at addr.
func parseSlots(reply kv.Reply, addr string) (*routes, error) {
	r := &routes{owner: new([shard.Slots]int16)}
	for i := range r.owner {
		r.owner[i] = -1
	}
	index := make(map[string]int16)
	for _, e := range reply.Elems {
		if len(e.Elems) < 3 || len(e.Elems[2].Elems) < 2 {
			return nil, errors.New("CLUSTER SLOTS: an entry is too short")
		}
		from, to := e.Elems[0].Int, e.Elems[1].Int
		if from < 0 || to >= shard.Slots || from > to {
			return nil, fmt.Errorf("CLUSTER SLOTS: there are no slots %d-%d", from, to)
		}
		host, port := string(e.Elems[2].Elems[0].Str), strconv.FormatInt(e.Elems[2].Elems[1].Int, 10)
		owner := serverAddr(net.JoinHostPort(host, port), addr)
		at, known := index[owner]
		if !known {
			at = int16(len(r.addrs))
			index[owner] = at
			r.addrs = append(r.addrs, owner)
		}
		for slot := from; slot <= to; slot++ {
			r.owner[slot] = at
		}
	}
	if len(r.addrs) == 0 {
		return nil, errors.New("no node of the cluster serves any slot now")
	}
	return r, nil
}

// serverAddr completes an address without a host, by which a node means the host
// that it was asked at.
func serverAddr(owner, asked string) string {
	if port, ok := strings.CutPrefix(owner, ":"); ok {
		host, _, _ := net.SplitHostPort(asked)
		return net.JoinHostPort(host, port)
	}
	return owner
}

// call sends one command and returns its reply.
func (s *socket) call(ctx context.Context, args ...string) (kv.Reply, error) {
	if deadline, ok := ctx.Deadline(); ok {
		s.nc.SetDeadline(deadline)
		defer s.nc.SetDeadline(time.Time{})
	}
	if _, err := s.nc.Write(resp.AppendCommand(nil, args...)); err != nil {
		return kv.Reply{}, err
	}
	return resp.ReadReply(s.r)
}
