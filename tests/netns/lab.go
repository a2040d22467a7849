// Package netns runs a cluster on hosts of its own: network namespaces with
// addresses, joined by a bridge, between which the kernel drops packets as a broken
// network does. It shows that raftkv runs over more than the loopback, and that the
// faults it injects into itself do what real ones do.
package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// prefix begins the names of all namespaces that this package makes. Its run's
// process id and the host's name follow.
const prefix = "raftkv-"

// lab is a network of hosts. The test itself is on its bridge, with an address.
type lab struct {
	run   string   // the test's process id: what is made has it in its name
	net   string   // the first three numbers of the hosts' addresses
	hosts []string // by name, the first has .1
	lock  *os.File // locked while the run lives
}

// missing tells what a lab needs and this machine lacks, or "".
func missing() string {
	if os.Geteuid() != 0 {
		return "only root may make network namespaces: run this test as root"
	}
	for tool, origin := range map[string]string{"ip": "iproute2", "nft": "nftables"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Sprintf("%s is not installed (Debian's package %s; sh tests/setup.sh installs it)", tool, origin)
		}
	}
	// A container's root may lack the right all the same, and a kernel the module.
	name := prefix + "try-" + strconv.Itoa(os.Getpid())
	if err := sh("", "ip", "netns", "add", name); err != nil {
		return "network namespaces cannot be made here: " + err.Error()
	}
	defer sh("", "ip", "netns", "del", name)
	if err := sh(lossRules(1), "ip", "netns", "exec", name, "nft", "-f", "-"); err != nil {
		return "the kernel does not filter packets by nftables: " + err.Error()
	}
	return ""
}

// newLab makes a network with these hosts. It is gone when the test ends, and what
// an earlier run that was killed has left is gone before.
func newLab(t testing.TB, hosts ...string) *lab {
	t.Helper()
	removeLeftovers(t)
	l := &lab{run: strconv.Itoa(os.Getpid()), net: freeNet(t, os.Getpid()), hosts: hosts}
	lock, err := os.Create(lockPath(l.run))
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.lock = lock
	t.Cleanup(l.remove)
	removeAtSignal(l)
	bridge := bridgeOf(l.run)
	do := func(args ...string) {
		t.Helper()
		if err := sh("", "ip", args...); err != nil {
			t.Fatal(err)
		}
	}
	do("link", "add", bridge, "type", "bridge", "forward_delay", "0")
	do("addr", "add", l.net+".254/24", "dev", bridge)
	do("link", "set", bridge, "up")
	for _, host := range hosts {
		space, port := l.namespace(host), bridge+host
		do("netns", "add", space)
		do("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
		do("link", "set", port, "master", bridge, "up")
		do("-n", space, "link", "set", "lo", "up")
		do("-n", space, "addr", "add", l.addr(host)+"/24", "dev", "eth0")
		do("-n", space, "link", "set", "eth0", "up")
	}
	return l
}

// addr returns a host's address.
func (l *lab) addr(host string) string {
	for i, h := range l.hosts {
		if h == host {
			return fmt.Sprintf("%s.%d", l.net, i+1)
		}
	}
	panic("there is no host " + host)
}

// addrs returns the addresses of all hosts.
func (l *lab) addrs() (out []string) {
	for _, host := range l.hosts {
		out = append(out, l.addr(host))
	}
	return out
}

func (l *lab) namespace(host string) string { return prefix + l.run + "-" + host }

// on returns a command that runs on a host.
func (l *lab) on(host string, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", l.namespace(host), name}, args...)...)
}

// remove takes down all that the run has made, processes first.
func (l *lab) remove() {
	removeRun(l.run)
	os.Remove(l.lock.Name())
	l.lock.Close()
}

// removeRun takes down what a run has made. What is not there needs no removing, so
// errors are not looked at: newLab finds out if something is in the way.
func removeRun(run string) {
	for _, space := range namespaces(prefix + run + "-") {
		pids, _ := exec.Command("ip", "netns", "pids", space).Output()
		for _, field := range strings.Fields(string(pids)) {
			if pid, err := strconv.Atoi(field); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		sh("", "ip", "netns", "del", space) // its end of the veth goes, and so the other one
	}
	sh("", "ip", "link", "del", bridgeOf(run))
}

// removeLeftovers takes down what runs have left that were killed: those whose lock
// nobody holds.
func removeLeftovers(t testing.TB) {
	seen := make(map[string]bool)
	for _, space := range namespaces(prefix) {
		run, _, _ := strings.Cut(strings.TrimPrefix(space, prefix), "-")
		if _, err := strconv.Atoi(run); err != nil || seen[run] {
			continue
		}
		seen[run] = true
		lock, err := os.OpenFile(lockPath(run), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			t.Logf("run %s has left its network: it is removed", run)
			removeRun(run)
			os.Remove(lock.Name())
		}
		lock.Close()
	}
}

// namespaces returns the names of those that begin with start.
func namespaces(start string) (out []string) {
	list, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(list)) {
		// The name may be followed by "(id: 3)".
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, start) {
			out = append(out, name)
		}
	}
	return out
}

func lockPath(run string) string { return filepath.Join(os.TempDir(), prefix+"netns-"+run+".lock") }

// bridgeOf returns the bridge's name: with a host's, it must stay below 16 bytes.
func bridgeOf(run string) string { return "rk" + run }

// freeNet returns the first three numbers of addresses that this machine does not
// use. By number, runs at the same time begin to look at different ones.
func freeNet(t testing.TB, number int) string {
	used, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1 << 12 {
		n := (number + i) % (1 << 12)
		candidate := fmt.Sprintf("10.%d.%d", 96+n>>8, n&0xff)
		ip, free := net.ParseIP(candidate+".254"), true
		for _, a := range used {
			if own, ok := a.(*net.IPNet); ok && own.Contains(ip) {
				free = false
			}
		}
		if free {
			return candidate
		}
	}
	t.Fatal("all of 10.96.0.0/12 is in use here")
	return ""
}

// sh runs a command with stdin. Its error has what the command said.
func sh(stdin string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(strings.Join(cmd.Args, " ") + ": " + err.Error() + ": " + string(bytes.TrimSpace(out)))
	}
	return nil
}
