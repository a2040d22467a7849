package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// quickPair is a connection with quick ends.
func quickPair(t *testing.T) (a, b net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b = quick(out), quick(in)
	t.Cleanup(func() { a.Close(); b.Close() })
	if _, ok := a.(*quickConn); !ok {
		t.Fatalf("it is a %T", a)
	}
	return a, b
}

// What is written arrives whole and in order, small or large, also when the socket's
// buffer is full and its reader slow.
func TestQuickConnCarriesAll(t *testing.T) {
	a, b := quickPair(t)
	a.(*quickConn).SetWriteBuffer(64 << 10)
	b.(*quickConn).SetReadBuffer(64 << 10)
	var want []byte
	for i := range 100 {
		want = append(want, bytes.Repeat([]byte{byte(i)}, 1+i*i)...)
	}
	go func() {
		defer a.Close()
		for i, rest := 0, want; len(rest) > 0; i++ {
			n := min(len(rest), 1+i*i*i)
			if _, err := a.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

// Deadlines, the other end's end and this one's are the errors that net has.
func TestQuickConnFails(t *testing.T) {
	a, b := quickPair(t)
	buf := make([]byte, 16)
	a.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := a.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	a.SetReadDeadline(time.Time{})
	a.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	full := make([]byte, quickLimit)
	for {
		if _, err := a.Write(full); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("nobody reads: %v", err)
			}
			break
		}
	}
	b.Close()
	a.SetDeadline(time.Now().Add(20 * time.Second))
	var err error
	for err == nil {
		_, err = a.Read(buf)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the end did not come: %v", err)
	}
	read := make(chan error)
	c, _ := quickPair(t)
	go func() { _, err := c.Read(buf); read <- err }()
	c.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed here: %v", err)
	}
}

// Small messages allocate nothing.
func TestQuickConnAllocatesNothing(t *testing.T) {
	a, b := quickPair(t)
	message, buf := []byte("a message"), make([]byte, 16)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, buf[:len(message)]); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
