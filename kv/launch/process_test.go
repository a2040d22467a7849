package launch_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"raftkv/kv/launch"
)

func TestStartStopAndResume(t *testing.T) {
	c := newCluster(t, 3)
	processes := start(t, c, "n1", "n2", "n3")
	if err := c.WaitReady(deadline(t), processes); err != nil {
		t.Fatal(err)
	}
	wantArgument(t, c, "n1", "--bootstrap")
	wantArgument(t, c, "n2", "--join="+at(t, c, "n1").Peer)
	if _, err := c.Start("n2"); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("starting a node twice: %v", err)
	}
	if n, err := c.Stop(grace); n != 3 || err != nil {
		t.Fatalf("stopped %d: %v", n, err)
	}
	for _, p := range processes {
		if err := p.Err(); err != nil {
			t.Errorf("%s did not end in order: %v", p.Node.ID, err)
		}
	}
	if n, err := c.Stop(grace); n != 0 || err != nil {
		t.Errorf("stopped %d once more: %v", n, err)
	}

	// Another process resumes the folder.
	c = openCluster(t, c.Dir())
	start(t, c, "n1", "n2", "n3")
	for _, a := range arguments(t, c, "n1") {
		if a == "--bootstrap" || strings.HasPrefix(a, "--redis=") {
			t.Errorf("a folder with data was started with %s", a)
		}
	}
}

func TestKillPauseResume(t *testing.T) {
	c := newCluster(t, 1)
	p := start(t, c, "n1")[0]
	for range 2 { // each is idempotent
		if err := c.Pause("n1"); err != nil {
			t.Fatal(err)
		}
		wantState(t, c, "n1", launch.Paused)
	}
	for range 2 {
		if err := c.Resume("n1"); err != nil {
			t.Fatal(err)
		}
		wantState(t, c, "n1", launch.Running)
	}
	for range 2 {
		if err := c.Kill("n1"); err != nil {
			t.Fatal(err)
		}
		wantState(t, c, "n1", launch.Dead)
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("killed, but ended with %v", err)
	}
	if err := c.Pause("n1"); !errors.Is(err, launch.ErrNotRunning) {
		t.Errorf("pausing a dead node: %v", err)
	}
	if err := c.Resume("n1"); !errors.Is(err, launch.ErrNotRunning) {
		t.Errorf("resuming a dead node: %v", err)
	}
	start(t, c, "n1")
	wantState(t, c, "n1", launch.Running)
	if err := c.Kill("n9"); err == nil || !strings.Contains(err.Error(), "there are n1") {
		t.Errorf("killing an unknown node: %v", err)
	}
}

func TestStopEndsPausedNodesInOrder(t *testing.T) {
	c := newCluster(t, 1)
	p := start(t, c, "n1")[0]
	if err := c.Pause("n1"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Stop(grace); n != 1 || err != nil {
		t.Fatalf("stopped %d: %v", n, err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	c := newCluster(t, 1, "--behave=deaf")
	start(t, c, "n1")
	if n, err := c.Stop(300 * time.Millisecond); n != 1 || err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stopped %d: %v", n, err)
	}
	wantState(t, c, "n1", launch.Dead)
}

func TestPidsOfOthersAreNotBelieved(t *testing.T) {
	c := newCluster(t, 1)
	n := at(t, c, "n1")
	for name, pid := range map[string]int{
		"none": 0, "this test": os.Getpid(), "another program": sleeper(t),
		"a folder whose name only begins alike": sleeper(t, "--data="+n.Dir+"0"),
	} {
		if n.PID = pid; n.State() != launch.Dead {
			t.Errorf("%s: taken for n1", name)
		}
	}
	if n.PID = sleeper(t, "--data="+n.Dir); n.State() != launch.Running {
		t.Error("a process on n1's folder is not recognized")
	}

	// After a reboot, the pid that is written down is somebody else's.
	start(t, c, "n1")
	if err := c.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	stranger := sleeper(t)
	rewritePID(t, c, at(t, c, "n1").PID, stranger)
	if err := c.Kill("n1"); err != nil {
		t.Error(err)
	}
	if n, err := c.Stop(grace); n != 0 || err != nil {
		t.Errorf("stopped %d: %v", n, err)
	}
	if err := syscall.Kill(stranger, 0); err != nil {
		t.Errorf("the other program was hit: %v", err)
	}
	start(t, c, "n1")
}

func TestNodesAreInSessionsOfTheirOwn(t *testing.T) {
	c := newCluster(t, 1)
	pid := start(t, c, "n1")[0].Node.PID
	// A terminal's Ctrl-C goes to a process group.
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("pid %d is of process group %d: %v", pid, group, err)
	}
}

func TestEnvironmentOfNodes(t *testing.T) {
	t.Setenv("RAFTKV_BOOTSTRAP", "true") // a flag of this command, not of nodes
	c := newCluster(t, 1)
	if err := c.Require("RAFTKV_PASSWORD"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start("n1"); err == nil || !strings.Contains(err.Error(), "RAFTKV_PASSWORD") {
		t.Fatalf("started without the password: %v", err)
	}
	wantState(t, c, "n1", launch.Dead)
	c = openCluster(t, c.Dir(), "RAFTKV_PASSWORD=secret")
	start(t, c, "n1")
	b, err := os.ReadFile(filepath.Join("/proc", itoa(at(t, c, "n1").PID), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Split(string(b), "\x00")
	if !slices.Contains(env, "RAFTKV_PASSWORD=secret") || slices.Contains(env, "RAFTKV_BOOTSTRAP=true") {
		t.Errorf("environment of a node: %q", env)
	}
	// The only node has the machine to itself.
	if want := "GOMAXPROCS=" + itoa(runtime.NumCPU()); os.Getenv("GOMAXPROCS") == "" && !slices.Contains(env, want) {
		t.Errorf("environment of a node: %q, want %s", env, want)
	}
	if slices.Contains(env, "RAFTKV_SCHEDULING=batch") {
		t.Errorf("the only node is told to share: %q", env)
	}
}

func TestNodesShareTheProcessors(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // as if it were not set
	os.Unsetenv("GOMAXPROCS")
	c := newCluster(t, 3)
	start(t, c, "n1")
	b, err := os.ReadFile(filepath.Join("/proc", itoa(at(t, c, "n1").PID), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	want := "GOMAXPROCS=" + itoa((runtime.NumCPU()+2)/3)
	if env := strings.Split(string(b), "\x00"); !slices.Contains(env, want) || !slices.Contains(env, "RAFTKV_SCHEDULING=batch") {
		t.Errorf("environment of one of three nodes: %q, want %s and to be scheduled as batch", env, want)
	} else if hurry := "RAFTKV_HURRY_PROCESSORS=" + itoa(runtime.NumCPU()); !slices.Contains(env, hurry) {
		t.Errorf("environment of one of three nodes: %q, want %s", env, hurry)
	}
	c = openCluster(t, c.Dir(), "RAFTKV_SCHEDULING=normal")
	start(t, c, "n2")
	if b, err = os.ReadFile(filepath.Join("/proc", itoa(at(t, c, "n2").PID), "environ")); err != nil {
		t.Fatal(err)
	}
	if env := strings.Split(string(b), "\x00"); slices.Contains(env, "RAFTKV_SCHEDULING=batch") || !slices.Contains(env, "RAFTKV_SCHEDULING=normal") {
		t.Errorf("environment of a node whose user says how it is scheduled: %q", env)
	}
}
