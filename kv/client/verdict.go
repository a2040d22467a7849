package client

import (
	"net"
	"strconv"
	"strings"

	"raftkv/kv"
	"raftkv/shard"
)

// verdict is what an error reply says about the command.
type verdict int

const (
	// answered: the command was executed, or can never be, and this is its outcome.
	answered verdict = iota
	// moved: nothing was done here; another node serves the slot.
	moved
	// unready: nothing was done; it may work soon, or elsewhere.
	unready
	// refused: nothing was done, and trying again hardly helps. It does not tell
	// what became of an earlier attempt of the same write.
	refused
	// uncertain: it may have been executed, or may be yet.
	uncertain
	// outdated: the session has seen a later write.
	outdated
)

// tooManyClients comes instead of the reply to a connection's first command.
const tooManyClients kv.ReplyError = "ERR max number of clients reached"

func judge(e kv.ReplyError) verdict {
	switch e.Code() {
	case "MOVED":
		return moved
	case "CLUSTERDOWN", "BUSY", "TRYAGAIN", "LOADING", "MASTERDOWN":
		return unready
	case "OOM", "NOAUTH", "WRONGPASS", "NOPERM":
		return refused
	case "UNCERTAIN":
		return uncertain
	case "SEQOUTDATED":
		return outdated
	}
	switch e {
	case kv.ErrDiskFull:
		return refused
	case tooManyClients:
		return unready
	}
	return answered
}

// target returns the slot and the address that a MOVED reply of the node at asked
// names.
func target(e kv.ReplyError, asked string) (slot uint16, addr string, ok bool) {
	words := strings.Fields(string(e))
	if len(words) != 3 {
		return 0, "", false
	}
	n, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil || n >= shard.Slots {
		return 0, "", false
	}
	host, port, err := net.SplitHostPort(words[2])
	if err != nil || port == "" {
		return 0, "", false
	}
	return uint16(n), fullAddr(host, port, asked), true
}

// fullAddr makes an address. Without a host, it is on the one that was asked.
func fullAddr(host, port, asked string) string {
	if host == "" || host == "?" {
		host, _, _ = net.SplitHostPort(asked)
	}
	return net.JoinHostPort(host, port)
}
