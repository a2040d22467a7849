package netns

import (
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// waits is a connection whose other side has not confirmed what was sent.
type waits struct {
	to   string
	wait time.Duration // until the kernel sends it again
}

// Fields of a line of /proc/net/tcp, and what stands in them.
const (
	remoteField, stateField, timerField = 2, 3, 5

	established    = "01"
	retransmission = "01"
)

// waiting returns the connections between nodes that a host has and that wait to
// send something again. (`ss -to` shows the same.)
func (l *lab) waiting(t testing.TB, host string) (out []waits) {
	t.Helper()
	table, err := l.on(host, "cat", "/proc/net/tcp").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) <= timerField || f[stateField] != established {
			continue
		}
		kind, ticks, _ := strings.Cut(f[timerField], ":")
		to := address(f[remoteField])
		if node, _, _ := strings.Cut(to, ":"); !slices.Contains(l.addrs(), node) {
			continue // a client, which gives it up by itself
		}
		hundredths, err := strconv.ParseInt(ticks, 16, 64)
		if err != nil || kind != retransmission {
			continue
		}
		out = append(out, waits{to, time.Duration(hundredths) * 10 * time.Millisecond})
	}
	return out
}

// address reads an address as the kernel writes it: 0101A8C0:2329. The bytes of the
// number are in this machine's order.
func address(text string) string {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b) != net.IPv4len {
		return text
	}
	return fmt.Sprintf("%d.%d.%d.%d:%d", b[3], b[2], b[1], b[0], n)
}
