package node

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"raftkv/kv/group"
	"raftkv/tests/cluster"
)

// Leadership that is handed over on purpose makes clients wait, and fails nothing: neither
// what comes meanwhile nor what was under way.
func TestClientsWaitForAHandover(t *testing.T) {
	c := newNodes(t)
	for i := 1; i <= 3; i++ {
		c.open(i, t.TempDir())
	}
	c.voters("n1", "n2", "n3")
	failed := make(chan error, 8)
	stop := make(chan struct{})
	var done [8]atomic.Int64
	for i := range done {
		w := &wanderer{to: c.addr(0, 1+i%3), key: fmt.Sprint("k", i)}
		go func() { failed <- w.write(stop, &done[i]) }()
	}
	for range 8 {
		before := make([]int64, len(done))
		for i := range done {
			before[i] = done[i].Load()
		}
		cluster.Eventually(t, "leadership of group 1 moves", func() error {
			if g := leaderOfFirst(c); g == nil || g.TransferLeadership("") != nil {
				return errors.New("nobody has handed it over")
			}
			return nil
		})
		cluster.Eventually(t, "everybody goes on", func() error {
			select {
			case err := <-failed:
				t.Fatal(err)
			default:
			}
			for i := range done {
				if done[i].Load() < before[i]+2 {
					return fmt.Errorf("client %d has had %d answers", i, done[i].Load())
				}
			}
			return nil
		})
	}
	close(stop)
	for range done {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func leaderOfFirst(c *nodes) *group.Group {
	for _, n := range c.all {
		if g := n.group(1); g != nil && g.Serving() {
			return g
		}
	}
	return nil
}

// wanderer is a client that goes where it is sent.
type wanderer struct {
	to, key string
	conns   map[string]*wandererConn
}

type wandererConn struct {
	net.Conn
	r *bufio.Reader
}

// write writes and reads until stop closes, or something fails.
func (w *wanderer) write(stop <-chan struct{}, done *atomic.Int64) error {
	w.conns = make(map[string]*wandererConn)
	defer func() {
		for _, c := range w.conns {
			c.Close()
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		command := "INCR " + w.key
		if n%2 == 1 {
			command = "EXISTS " + w.key
		}
		reply, err := w.ask(command)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(reply, "-MOVED "):
			w.to = strings.Fields(reply)[2]
		case !strings.HasPrefix(reply, ":"):
			return fmt.Errorf("%s to %s after %d: %s", command, w.to, n, reply)
		default:
			done.Add(1)
		}
	}
}

func (w *wanderer) ask(command string) (string, error) {
	c := w.conns[w.to]
	if c == nil {
		nc, err := net.Dial("tcp", w.to)
		if err != nil {
			return "", err
		}
		c = &wandererConn{nc, bufio.NewReader(nc)}
		w.conns[w.to] = c
	}
	c.SetDeadline(time.Now().Add(cluster.Patience))
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	line, err := c.r.ReadString('\n')
	return strings.TrimSpace(line), err
}
