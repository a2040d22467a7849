package rawio_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"raftkv/kv/nettest"
	"raftkv/kv/rawio"
)

// pair returns both ends of a TCP connection, the first of them quick.
func pair(t *testing.T) (quick, other net.Conn) {
	t.Helper()
	nc, other := nettest.Pair(t)
	quick = rawio.Conn(nc)
	for _, c := range []net.Conn{quick, other} {
		c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return quick, other
}

// More than both kernels' buffers hold passes whole, in both directions at once.
func TestBytesPass(t *testing.T) {
	quick, other := pair(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for _, way := range []struct{ from, to net.Conn }{{quick, other}, {other, quick}} {
		go func() {
			if n, err := way.from.Write(data); n != len(data) || err != nil {
				t.Errorf("%d of %d bytes were written: %v", n, len(data), err)
			}
		}()
		got := make([]byte, len(data))
		if _, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("other bytes came, or %v", err)
		}
	}
}

func TestExchange(t *testing.T) {
	quick, other := pair(t)
	go func() {
		buf := make([]byte, 1<<20)
		for {
			n, err := other.Read(buf)
			if err != nil {
				return
			}
			if buf[n-1] == '\n' {
				other.Write([]byte("answer"))
			}
		}
	}()
	for _, size := range []int{1, 100, 8 << 20} { // the last is more than there is room for
		request := append(bytes.Repeat([]byte("r"), size), '\n')
		buf := make([]byte, 100)
		n, err := rawio.Exchange(quick, request, buf)
		if got := string(buf[:n]); err != nil || !strings.HasPrefix("answer", got) || n == 0 {
			t.Fatalf("a request of %d bytes: %q, %v", size, got, err)
		}
		if _, err := io.ReadFull(quick, buf[n:len("answer")]); err != nil {
			t.Fatal(err)
		}
	}
	other.Close()
	if _, err := rawio.Exchange(quick, []byte("r\n"), make([]byte, 10)); err == nil {
		t.Error("a connection that the other side has closed answered")
	}
}

// Errors are those of net.Conn.
func TestErrors(t *testing.T) {
	quick, other := pair(t)
	quick.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := quick.Read(make([]byte, 1))
	var failed *net.OpError
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &failed) || failed.Op != "read" {
		t.Errorf("after a deadline: %v", err)
	}
	quick.SetReadDeadline(time.Now().Add(20 * time.Second))
	much := make([]byte, 64<<20)
	quick.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := quick.Write(much); !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == len(much) {
		t.Errorf("a write that nobody reads: %d bytes, %v", n, err)
	}
	quick.SetWriteDeadline(time.Now().Add(20 * time.Second))
	go io.Copy(io.Discard, other)
	other.(*net.TCPConn).CloseWrite()
	if n, err := quick.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the other side's end: %d, %v", n, err)
	}
	if n, err := quick.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing was asked for: %d, %v", n, err)
	}
	go quick.Close()
	for err = nil; err == nil; { // it ends whoever waits
		_, err = quick.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// What has no socket passes through.
func TestPipe(t *testing.T) {
	a, b := net.Pipe()
	if rawio.Conn(a) != a {
		t.Error("a pipe was wrapped")
	}
	go func() {
		io.ReadFull(b, make([]byte, 2))
		b.Write([]byte("ok"))
	}()
	buf := make([]byte, 2)
	if n, err := rawio.Exchange(a, []byte("hi"), buf); n != 2 || err != nil {
		t.Error(n, err)
	}
}
