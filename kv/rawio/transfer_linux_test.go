package rawio

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockets returns both ends of n connections in non-blocking mode.
func sockets(t *testing.T, n int) (ends [][2]int) {
	t.Helper()
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
		ends = append(ends, pair)
	}
	return ends
}

// permitted asks the kernel itself, not the code that is tested, for a ring.
func permitted(t *testing.T) bool {
	t.Helper()
	params := make([]byte, 120) // struct io_uring_params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0)
	switch errno {
	case 0:
		unix.Close(int(fd))
		return true
	case unix.EPERM, unix.ENOSYS:
		return false
	}
	t.Fatalf("io_uring_setup: %v", errno)
	return false
}

// exchangers runs a test with the kernel's ring and without. Where the kernel permits no
// ring, a process without it is what has to work, and there must be none.
func exchangers(t *testing.T, test func(t *testing.T, e *Exchanger)) {
	for _, way := range []string{"ring", "alone"} {
		t.Run(way, func(t *testing.T) {
			e, want := NewExchanger(), permitted(t)
			defer e.Close()
			if has := e.ring != nil; has != want {
				t.Fatalf("there is a ring: %v; the kernel permits one: %v", has, want)
			}
			if !want {
				t.Log("NOT TRIED with a ring: this kernel permits none")
			}
			if way == "alone" {
				e.Close()
				want = false
			}
			test(t, e)
			if has := e.ring != nil; has != want {
				t.Errorf("in the end there is a ring: %v", has)
			}
		})
	}
}

// A process that the kernel refuses a ring does all the same. It is this test program
// again, under a filter of system calls as containers have one.
func TestRefusedRing(t *testing.T) {
	const refused = "RAFTKV_TEST_NO_RING"
	if os.Getenv(refused) != "" {
		if permitted(t) {
			t.Fatal("the filter lets io_uring_setup pass")
		}
		TestTransfers(t)
		TestTransfersThatFail(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRefusedRing$", "-test.count=1")
	cmd.Env = append(os.Environ(), refused+"=1")
	var out []byte
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the filter stays with the thread, which ends here
		if err = refuseRings(); err == nil {
			out, err = cmd.CombinedOutput()
		}
	}()
	if <-done; err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// refuseRings lets io_uring_setup fail for this thread and what it starts.
func refuseRings() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_IO_URING_SETUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// Everything arrives, of more transfers than a ring has room for.
func TestTransfers(t *testing.T) {
	exchangers(t, func(t *testing.T, e *Exchanger) {
		ends := sockets(t, 3*ringSize+1)
		for round := range 5 {
			var send, receive []Transfer
			for i, pair := range ends {
				send = append(send, ToSend(pair[0], fmt.Appendf(nil, "message %d of round %d", i, round)))
				receive = append(receive, ToReceive(pair[1], make([]byte, 100)))
			}
			e.Do(receive)
			for i := range receive {
				if x := &receive[i]; x.N != 0 || x.Errno != unix.EAGAIN {
					t.Fatalf("before anything was sent: %d bytes, %v", x.N, x.Errno)
				}
				receive[i] = ToReceive(ends[i][1], make([]byte, 100))
			}
			e.Do(send)
			e.Do(receive)
			for i := range ends {
				want := fmt.Sprintf("message %d of round %d", i, round)
				if x := &send[i]; x.N != len(want) || x.Errno != 0 {
					t.Fatalf("sent: %d bytes, %v", x.N, x.Errno)
				}
				if x := &receive[i]; string(x.b[:x.N]) != want || x.Errno != 0 {
					t.Fatalf("received: %q, %v", x.b[:x.N], x.Errno)
				}
			}
		}
	})
}

// One that fails, and one that there is not room for, leave the others alone.
func TestTransfersThatFail(t *testing.T) {
	exchangers(t, func(t *testing.T, e *Exchanger) {
		ends := sockets(t, 4)
		unix.Shutdown(ends[0][1], unix.SHUT_WR) // nothing more will come from there
		unix.Shutdown(ends[1][1], unix.SHUT_RD) // nothing more is taken there
		much := bytes.Repeat([]byte("x"), 8<<20)
		all := []Transfer{
			ToReceive(ends[0][0], make([]byte, 10)), ToSend(ends[1][0], []byte("lost")),
			ToSend(ends[2][0], much), ToSend(ends[3][0], []byte("good")), ToSend(-1, []byte("nowhere")),
		}
		e.Do(all)
		for i, want := range []unix.Errno{0, unix.EPIPE, unix.EAGAIN, 0, unix.EBADF} {
			if all[i].Errno != want {
				t.Errorf("transfer %d: %v, want %v", i, all[i].Errno, want)
			}
		}
		if sent := all[2].N; all[0].N != 0 || sent == 0 || sent == len(much) || all[3].N != 4 {
			t.Errorf("%d, %d and %d bytes", all[0].N, sent, all[3].N)
		}
		got, buf := 0, make([]byte, 1<<20)
		for {
			n, errno := Receive(ends[2][1], buf)
			if got += n; errno != 0 {
				break
			}
		}
		if got != all[2].N {
			t.Errorf("%d bytes came of %d that were sent", got, all[2].N)
		}
	})
}

// Whoever finds the ring in use goes without it.
func TestTransfersAtOnce(t *testing.T) {
	exchangers(t, func(t *testing.T, e *Exchanger) {
		var all sync.WaitGroup
		for range 8 {
			ends := sockets(t, 4)
			all.Go(func() {
				for round := range 500 {
					var send, receive []Transfer
					want := fmt.Sprint(round)
					for _, pair := range ends {
						send = append(send, ToSend(pair[0], []byte(want)))
						receive = append(receive, ToReceive(pair[1], make([]byte, 10)))
					}
					e.Do(send)
					e.Do(receive)
					for i := range receive {
						if x := &receive[i]; string(x.b[:x.N]) != want {
							t.Errorf("%q came in round %d: %v", x.b[:x.N], round, x.Errno)
							return
						}
					}
				}
			})
		}
		all.Wait()
	})
}
