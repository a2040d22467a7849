package launch_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

func TestNodeThatDoesNotStartIsReported(t *testing.T) {
	for behaviour, want := range map[string]string{"refuse": "it does not want to", "crash": "panic: out of order"} {
		c := newCluster(t, 2)
		start(t, c, "n1")
		if err := c.SetFlagsOf("n2", []string{"--behave=" + behaviour}); err != nil {
			t.Fatal(err)
		}
		p, err := c.Start("n2")
		if err != nil {
			t.Fatal(err)
		}
		err = c.WaitReady(deadline(t), []*launch.Process{p})
		if err == nil || !strings.Contains(err.Error(), "n2 did not start") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", behaviour, err)
		}
		if err != nil && strings.Count(err.Error(), "\n") > 10 {
			t.Errorf("%s: too much to read: %v", behaviour, err)
		}
	}
}

func TestComplaintIsOfTheLastProcess(t *testing.T) {
	c := newCluster(t, 1, "--behave=refuse")
	p, err := c.Start("n1")
	if err != nil {
		t.Fatal(err)
	}
	p.Err()
	if err := c.SetFlags(nil); err != nil {
		t.Fatal(err)
	}
	start(t, c, "n1")
	n := at(t, c, "n1")
	if said := n.Complaint(); strings.Contains(said, "does not want to") {
		t.Errorf("what an earlier process said: %s", said)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	c := newCluster(t, 1)
	p := start(t, c, "n1")[0]
	if err := c.Pause("n1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.WaitNode(ctx, p); err == nil || !strings.Contains(err.Error(), "n1 is not ready") {
		t.Errorf("waiting for a paused node: %v", err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := c.WaitNode(stopped, p); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting was cancelled: %v", err)
	}
}

// watching runs Watch and hands on what it reports.
func watching(t *testing.T, c *launch.Cluster, processes []*launch.Process) (next func() launch.Event, ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, done := make(chan launch.Event, 100), make(chan error, 1)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		done <- c.Watch(ctx, processes, func(e launch.Event) { events <- e })
	}()
	t.Cleanup(func() { cancel(); <-finished })
	return func() launch.Event {
		t.Helper()
		select {
		case e := <-events:
			return e
		case <-time.After(cluster.Patience):
			t.Fatal("nothing was reported")
			return launch.Event{}
		}
	}, done
}

func TestWatch(t *testing.T) {
	c := newCluster(t, 2)
	processes := start(t, c, "n1", "n2")
	next, _ := watching(t, c, processes)
	want := func(id string, change launch.Change, reason string) {
		t.Helper()
		if e := next(); e.Node.ID != id || e.Change != change || e.Reason != reason {
			t.Fatalf("%s %s %q was reported, want %s %s %q", e.Node.ID, e.Change, e.Reason, id, change, reason)
		}
	}
	other := openCluster(t, c.Dir()) // as `raftkv node` in another terminal
	if err := other.Kill("n2"); err != nil {
		t.Fatal(err)
	}
	want("n2", launch.Ended, "signal: killed")
	if err := other.Pause("n1"); err != nil {
		t.Fatal(err)
	}
	want("n1", launch.Stopped, "")
	if err := other.Resume("n1"); err != nil {
		t.Fatal(err)
	}
	want("n1", launch.Resumed, "")
	start(t, other, "n2")
	want("n2", launch.Started, "")
	if err := other.Kill("n2"); err != nil {
		t.Fatal(err)
	}
	want("n2", launch.Ended, "how is not known: it was started elsewhere")
}

// `raftkv down` in another terminal ends `raftkv up` in this one, without the report of
// three deaths; and starting a node again makes the cluster one to be watched.
func TestWatchEndsWhenTheClusterIsStopped(t *testing.T) {
	c := newCluster(t, 2)
	processes := start(t, c, "n1", "n2")
	_, ended := watching(t, c, processes)
	other := openCluster(t, c.Dir())
	if n, err := other.Stop(grace); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if err := <-ended; !errors.Is(err, launch.ErrDown) {
		t.Errorf("Watch ended with %v", err)
	}

	next, _ := watching(t, c, start(t, other, "n1"))
	if err := other.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.Node.ID != "n1" || e.Change != launch.Ended {
		t.Errorf("reported: %+v", e)
	}
	start(t, other, "n1") // all were dead, but nobody had stopped them
	if e := next(); e.Node.ID != "n1" || e.Change != launch.Started {
		t.Errorf("reported: %+v", e)
	}
}

func TestWatchReportsWhatDiedBeforeIt(t *testing.T) {
	c := newCluster(t, 1)
	processes := start(t, c, "n1")
	if err := syscall.Kill(processes[0].Node.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	processes[0].Err()
	next, _ := watching(t, c, processes)
	if e := next(); e.Change != launch.Ended {
		t.Errorf("reported: %+v", e)
	}
}

func TestWatchReportsAQuickRestart(t *testing.T) {
	c := newCluster(t, 1)
	processes := start(t, c, "n1")
	if err := c.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	again := start(t, c, "n1")[0]
	next, _ := watching(t, c, processes)
	if e := next(); e.Change != launch.Ended || e.Node.PID != processes[0].Node.PID || e.Reason != "signal: killed" {
		t.Errorf("reported first: %+v", e)
	}
	if e := next(); e.Change != launch.Started || e.Node.PID != again.Node.PID {
		t.Errorf("reported then: %+v", e)
	}
}

func TestStopWithoutTheFile(t *testing.T) {
	c := newCluster(t, 1)
	processes := start(t, c, "n1")
	_, ended := watching(t, c, processes)
	if err := os.Remove(c.Dir() + "/cluster.json"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, launch.ErrNoCluster) {
		t.Errorf("Watch ended with %v", err)
	}
	if err := c.StopThose(processes, grace); err != nil {
		t.Error(err)
	}
	if err := processes[0].Err(); err != nil {
		t.Error(err)
	}
}
