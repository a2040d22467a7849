//go:build !linux

package transport

import (
	"net"
	"time"
)

// limitUnconfirmed does nothing: how long a silent link delays what follows its
// mending is left to this system's TCP.
func limitUnconfirmed(net.Conn, time.Duration) {}
