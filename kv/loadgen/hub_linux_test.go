package loadgen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"raftkv/kv/nettest"
	"raftkv/kv/rawio"
)

func openHub(t *testing.T) *hub {
	t.Helper()
	h, err := newHub()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

// adopted returns a connection of the hub, and its other end.
func adopted(t *testing.T, h *hub) (c, other net.Conn) {
	t.Helper()
	nc, other := nettest.Pair(t)
	c, err := h.adopt(nc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	other.SetDeadline(time.Now().Add(time.Minute))
	return c, other
}

// Requests of all sizes, of many clients at a time, come back as they were sent.
func TestHubPassesBytes(t *testing.T) {
	h := openHub(t)
	var all sync.WaitGroup
	for client := range 100 {
		c, other := adopted(t, h)
		go io.Copy(other, other)
		chance := rand.New(rand.NewPCG(1, uint64(client)))
		all.Go(func() {
			for range 20 {
				request := make([]byte, 1+chance.IntN(1<<(1+chance.IntN(14))))
				if client == 0 { // more than there is room for, in both directions
					request = make([]byte, 2<<20)
				}
				for i := range request {
					request[i] = byte(chance.Uint32())
				}
				answer := make([]byte, len(request))
				n, err := rawio.Exchange(c, request, answer)
				for err == nil && n < len(answer) {
					var more int
					more, err = c.Read(answer[n:])
					n += more
				}
				if err != nil || !bytes.Equal(answer, request) {
					t.Errorf("client %d: %d of %d bytes came back: %v", client, n, len(request), err)
					return
				}
			}
		})
	}
	all.Wait()
}

// What comes when nobody waits for it is there for the next one who reads.
func TestHubKeepsWhatComesEarly(t *testing.T) {
	c, other := adopted(t, openHub(t))
	got := make([]byte, 4)
	for _, part := range []string{"ab", "cdefgh", "i"} {
		if _, err := c.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(other, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		other.Write([]byte(part))
		for read := ""; len(read) < len(part); {
			n, err := c.Read(got)
			if read += string(got[:n]); err != nil || part[:len(read)] != read {
				t.Fatalf("%q of %q was read: %v", read, part, err)
			}
		}
	}
	other.Close()
	if n, err := c.Read(got); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

// A deadline ends a wait, also one in the past, and nobody else's.
func TestHubDeadlines(t *testing.T) {
	h := openHub(t)
	for _, after := range []time.Duration{20 * time.Millisecond, -time.Hour} {
		late, _ := adopted(t, h)
		good, other := adopted(t, h)
		go io.Copy(other, other)
		late.SetDeadline(time.Now().Add(time.Hour))
		late.SetDeadline(time.Time{})
		go late.SetDeadline(time.Now().Add(after))
		if n, err := rawio.Exchange(late, []byte("ask"), make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %v: %d bytes, %v", after, n, err)
		}
		if n, err := rawio.Exchange(good, []byte("ask"), make([]byte, 10)); n != 3 || err != nil {
			t.Errorf("another connection: %d bytes, %v", n, err)
		}
	}
}

// A run whose servers do not answer ends soon after its context.
func TestRunOfManyEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 100)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				buf := make([]byte, 1<<10)
				for {
					n, err := nc.Read(buf)
					if err != nil {
						return
					}
					if bytes.Contains(buf[:n], []byte("CLUSTER")) {
						nc.Write([]byte("-ERR This instance has cluster support disabled\r\n"))
						continue
					}
					asked <- struct{}{}
				}
			}()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 2 * crowd {
			<-asked
		}
		cancel()
	}()
	r, err := Run(ctx, Config{Target: Redis([]string{l.Addr().String()}, RedisOptions{}), Clients: 2 * crowd, Requests: 1 << 30})
	if err != nil || !r.Interrupted {
		t.Errorf("%+v, %v", r, err)
	}
}
