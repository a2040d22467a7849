package transport

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnconfirmed lets a connection end when what was sent on it has not reached
// the other host's kernel for so long. Without that, TCP tries again at ever longer
// intervals: a link that was cut for a minute stays silent for up to another one
// when it is mended, while a new connection works at once. Connections that are not
// TCP's stay as they are.
func limitUnconfirmed(nc net.Conn, limit time.Duration) {
	if c, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = c.NetConn()
	}
	c, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return // it is closed
	}
	// An error costs what is told above, and nothing else. The limit is TCP_USER_TIMEOUT
	// of RFC 5482, in ms.
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
}
