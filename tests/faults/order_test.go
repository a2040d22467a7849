package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

// broken is a cluster that is broken by `raftkv fault`, as a person does it.
type broken struct {
	*cluster.Cluster
	t *testing.T
}

func startBreakable(t *testing.T, o cluster.Options) broken {
	o.Flags = append(o.Flags, "--enable-faults")
	return broken{cluster.Start(t, o), t}
}

// part runs a part of a test, and ends its faults.
func (b broken) part(name string, run func(b broken)) {
	b.t.Run(name, func(t *testing.T) {
		defer b.fault("heal")
		run(broken{b.Cluster, t})
	})
	if b.t.Failed() {
		b.t.FailNow() // what comes next would fail for the same reason
	}
}

// Eventually waits on behalf of this part.
func (b broken) Eventually(what string, fn func() error) {
	b.t.Helper()
	cluster.Eventually(b.t, what, fn)
}

// fault runs the command with this line and returns what it prints.
func (b broken) fault(line string) string {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), cluster.Binary(b.t), append([]string{"fault", "--data", b.Dir()}, strings.Fields(line)...)...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("raftkv fault %s: %v: %s", line, err, complaint.String())
	}
	return out.String()
}

// active lists the lines of the faults that are active.
func (b broken) active() []string {
	b.t.Helper()
	var list []kv.FaultStatus
	if err := json.Unmarshal([]byte(b.fault("list --json")), &list); err != nil {
		b.t.Fatal(err)
	}
	var lines []string
	for _, st := range list {
		lines = append(lines, st.Fault)
	}
	return lines
}

// logged waits until a node's log has a line with all these words.
func (b broken) logged(node string, words ...string) {
	b.t.Helper()
	b.Eventually(fmt.Sprintf("%v in the log of %s", words, node), func() error {
		text, err := os.ReadFile(filepath.Join(b.At(node).Dir, "log", "node.jsonl"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return nil
			}
		}
		return errors.New("no such line")
	})
}

// sees waits until a node tells that another one is in a state.
func (b broken) sees(node, other, state string) {
	b.t.Helper()
	b.Eventually(fmt.Sprintf("%s sees %s %s", node, other, state), func() error {
		s, err := cluster.StatusOf(b.At(node).HTTP)
		if err != nil {
			return err
		}
		for _, n := range s.Nodes {
			if n.ID == other && n.State == state {
				return nil
			}
		}
		return fmt.Errorf("it sees %+v", s.Nodes)
	})
}

// took runs a command until it is done without an error, and returns how long the
// quickest of three took.
func (b broken) took(args ...string) time.Duration {
	b.t.Helper()
	client := b.Client()
	defer client.Close()
	quickest := time.Hour
	for range 3 {
		start := time.Now()
		if reply, err := client.Must(args...); err != nil || reply.Kind == kv.Error {
			b.t.Fatalf("%s: %s, %v", args[0], reply.Str, err)
		}
		quickest = min(quickest, time.Since(start))
	}
	return quickest
}

// slow checks that a command takes at least so long under a fault, and that this
// ends with the fault.
func (b broken) slow(fault string, least time.Duration, args ...string) {
	b.t.Helper()
	b.fault(fault)
	if took := b.took(args...); took < least {
		b.t.Errorf("%s: it took %v, want %v", fault, took, least)
	}
	b.fault("heal")
	b.Eventually(fault+" to be over", func() error {
		if took := b.took(args...); took >= least {
			return fmt.Errorf("it takes %v", took)
		}
		return nil
	})
}

// ended waits until a node's process is gone.
func (b broken) ended(node string) {
	b.t.Helper()
	b.Eventually(node+" to end", func() error {
		n := b.At(node)
		if s := n.State(); s != launch.Dead {
			return errors.New(string(s))
		}
		return nil
	})
}

// holds checks that all that was written can be read.
func (b broken) holds(written map[string]string) {
	b.t.Helper()
	checkAll(b.t, b.Cluster, written)
}

// write writes keys of its own.
func (b broken) write(name string, n int) map[string]string {
	b.t.Helper()
	client := b.Client()
	defer client.Close()
	written := make(map[string]string)
	for i := range n {
		key, value := fmt.Sprintf("%s:%d", name, i), fmt.Sprintf("marked-value-%d", i)
		if reply, err := client.Must("SET", key, value); err != nil || reply.Kind == kv.Error {
			b.t.Fatalf("SET: %s, %v", reply.Str, err)
		}
		written[key] = value
	}
	return written
}

// says tells whether a node's log holds a text.
func (b broken) says(node, text string) bool {
	log, err := os.ReadFile(filepath.Join(b.At(node).Dir, "log", "node.jsonl"))
	return err == nil && strings.Contains(string(log), text)
}
