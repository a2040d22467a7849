package transport

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"raftkv/kv/nettest"
)

// The limit reaches the kernel. That connections between nodes have it, tests/netns
// shows where it may make networks.
func TestUnconfirmedIsLimited(t *testing.T) {
	nc, _ := nettest.Pair(t)
	limitUnconfirmed(nc, 2*time.Second)
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := -1
	if err := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
		t.Fatal(err)
	}
	if err != nil || got != 2000 {
		t.Errorf("TCP_USER_TIMEOUT is %d ms, %v; want 2000", got, err)
	}
	a, b := net.Pipe() // what has no socket stays as it is
	limitUnconfirmed(a, time.Second)
	a.Close()
	b.Close()
}
