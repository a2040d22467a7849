package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one server process that this program started itself.
type process struct {
	cmd  *exec.Cmd
	log  string // file with what it says
	done chan struct{}
}

// startProcess runs a program, with its output appended to the file log.
func startProcess(log, program string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	// Ctrl-C at the terminal shall reach this program only, and the server shall
	// not outlive it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// alive fails with the process's last words if it has ended.
func (p *process) alive() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	said, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	return fmt.Errorf("%s has ended (%v):\n%s", p.cmd.Path, p.cmd.ProcessState, strings.Join(lines[max(0, len(lines)-5):], "\n"))
}

// kill ends the process as kill -9 does and waits for its end. Idempotent.
func (p *process) kill() {
	if p != nil {
		p.cmd.Process.Kill()
		<-p.done
	}
}

// send sends sig to all processes.
func send(sig syscall.Signal, pids []int) error {
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			errs = append(errs, fmt.Errorf("%v to process %d: %w", sig, pid, err))
		}
	}
	return errors.Join(errs...)
}

// clockTick is the unit of CPU times in /proc: 1/100 s on every Linux system.
const clockTick = 10 * time.Millisecond

// cpuTime returns how long the processes have used a CPU so far.
func cpuTime(pids ...int) (total time.Duration) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// pid (name) state ...; the name may hold anything. utime and stime are
		// fields 14 and 15, thus 11 and 12 behind the name.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, f := range fields[11:13] {
			ticks, _ := strconv.ParseInt(f, 10, 64)
			total += time.Duration(ticks) * clockTick
		}
	}
	return total
}

// residentMemory returns how many bytes of memory a process occupies.
func residentMemory(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("process %d: no VmRSS", pid)
}

// ports hands out ports that nothing listens on, below the range from which the
// system takes ports for connections.
type ports struct{ next int }

// take returns the first of n consecutive free ports.
func (p *ports) take(n int) (int, error) {
	if p.next == 0 {
		p.next = 21000
	}
	for p.next+n < 32000 {
		base := p.next
		p.next += n
		free := true
		for port := base; port < base+n && free; port++ {
			l, err := net.Listen("tcp", localAddr(port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return base, nil
		}
	}
	return 0, errors.New("there are no free ports below 32000")
}

func localAddr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
