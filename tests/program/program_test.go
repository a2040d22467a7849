// Package program uses the program as a person does: its commands, their output
// and exit codes, on a real cluster.
package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// run executes the program and returns what it printed and its exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(cluster.Binary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func ok(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := run(t, args...)
	if code != 0 {
		t.Fatalf("raftkv %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func TestLocalCluster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	base := cluster.FreePorts(t, 9)
	flags := []string{"--data", dir}
	up := append([]string{"up", "--detach", "--redis-port", fmt.Sprint(base), "--http-port", fmt.Sprint(base + 3), "--peer-port", fmt.Sprint(base + 6)}, flags...)
	t.Cleanup(func() { run(t, append([]string{"down"}, flags...)...) })

	if out := ok(t, up...); !strings.Contains(out, "3 nodes serve") || !strings.Contains(out, fmt.Sprintf("redis-cli -c -p %d", base)) {
		t.Errorf("up says:\n%s", out)
	}
	ok(t, up...) // again: nothing to do
	client := cluster.ClientOf(fmt.Sprintf("127.0.0.1:%d", base))
	defer client.Close()
	if reply, err := client.Must("SET", "a", "1"); err != nil || string(reply.Str) != "OK" {
		t.Fatalf("SET: %s, %v", reply.Str, err)
	}

	// Ports in use: another cluster is not started at all.
	other := filepath.Join(t.TempDir(), "other")
	_, errs, code := run(t, "up", "--detach", "--data", other, "--redis-port", fmt.Sprint(base), "--http-port", "29001", "--peer-port", "29011")
	if code == 0 || !strings.Contains(errs, fmt.Sprint(base)) {
		t.Errorf("ports in use: exit code %d, %s", code, errs)
	}

	var status kv.Status
	t.Setenv("RAFTKV_TLS_CA", filepath.Join(dir, "another-cluster's.crt")) // no business of a local one
	if err := json.Unmarshal([]byte(ok(t, append([]string{"status", "--json"}, flags...)...)), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Nodes) != 3 || len(status.Groups) != 4 || status.Epoch == 0 {
		t.Errorf("status: %+v", status)
	}
	leaders := make(map[string]bool)
	for i, g := range status.Groups {
		if g.ID != uint32(i) || g.Leader == "" || g.Term == 0 || len(g.Replicas) != 3 || i > 0 && len(g.Slots) != 1 {
			t.Errorf("group: %+v", g)
		}
		if i > 0 {
			leaders[g.Leader] = true
		}
	}
	if len(leaders) != 3 {
		t.Errorf("3 new groups are led by %v", leaders)
	}
	for _, n := range status.Nodes {
		wantBatch(t, n.PID)
		if n.PID == 0 || n.State != kv.NodeUp || n.Redis == "" || n.HTTP == "" || n.Peer == "" {
			t.Errorf("node: %+v", n)
		}
	}
	if out := ok(t, append([]string{"status"}, flags...)...); !strings.Contains(out, "group 3: leader n") || !strings.Contains(out, "follower") {
		t.Errorf("status says:\n%s", out)
	}

	for epoch, want := range map[string]string{"": "10922-16383", "1": "n1.1"} {
		args := append([]string{"map"}, flags...)
		if epoch != "" {
			args = append(args, "--epoch", epoch)
		}
		if out := ok(t, args...); !strings.Contains(out, want) || strings.Contains(out, "n3.") == (epoch == "1") {
			t.Errorf("the map of epoch %q:\n%s", epoch, out)
		}
	}
	if _, errs, code := run(t, append([]string{"map", "--epoch", "100000"}, flags...)...); code != 1 || !strings.Contains(errs, "100000") {
		t.Errorf("a map that is not there: exit code %d, %s", code, errs)
	}

	// The same folder twice: the second says so and exits.
	_, errs, code = run(t, "serve", "--data", filepath.Join(dir, "n1"))
	if code != 1 || !strings.Contains(errs, "in use by another raftkv process") {
		t.Errorf("a folder in use: exit code %d, %s", code, errs)
	}

	c, err := launch.Open(dir, cluster.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	state := func(id string) launch.State {
		n, err := c.Node(id)
		if err != nil {
			t.Fatal(err)
		}
		return n.State()
	}
	for _, step := range []struct {
		action string
		want   launch.State
	}{{"kill", launch.Dead}, {"start", launch.Running}, {"pause", launch.Paused}, {"pause", launch.Paused}, {"resume", launch.Running}, {"start", launch.Running}} {
		ok(t, append([]string{"node", step.action, "n2"}, flags...)...)
		if got := state("n2"); got != step.want {
			t.Errorf("after %s n2 is %s", step.action, got)
		}
	}
	if _, errs, code := run(t, append([]string{"node", "kill", "n9"}, flags...)...); code == 0 || !strings.Contains(errs, "n1") {
		t.Errorf("an unknown node: exit code %d, %s", code, errs)
	}

	if out := ok(t, append([]string{"down"}, flags...)...); !strings.Contains(out, "3") {
		t.Errorf("down says %s", out)
	}
	ok(t, append([]string{"down"}, flags...)...) // again: nothing to do
	ok(t, append([]string{"up", "--detach"}, flags...)...)
	again, err := cluster.Dial(fmt.Sprintf("127.0.0.1:%d", base+1))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if reply, err := again.Do("READONLY"); err != nil || string(reply.Str) != "OK" {
		t.Fatal(err)
	}
	if reply, err := again.Do("GET", "a"); err != nil || string(reply.Str) != "1" {
		t.Errorf("after down and up: %s, %v", reply.Str, err)
	}
}

func TestDump(t *testing.T) {
	for _, store := range []string{"wal", "boltdb"} {
		t.Run(store, func(t *testing.T) {
			c := cluster.Start(t, cluster.Options{Nodes: 1, Flags: []string{"--log-store=" + store, "--replay-budget=1ms"}})
			client := c.Client()
			defer client.Close()
			for i := range 30 {
				if _, err := client.Must("SET", fmt.Sprint("key-", i), "value with spaces", "EX", "1000"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := client.Must("RAFTKV.ONCE", "key-1", "me", "7", "APPEND", "key-1", "!"); err != nil {
				t.Fatal(err)
			}
			group := filepath.Join(c.At("n1").Dir, "groups", "1")
			out := ok(t, "dump", "log", group) // while the node runs
			for _, want := range []string{`SET key-29 "value with spaces" EX 1000`, "RAFTKV.ONCE key-1 me 7", "barrier", "configuration", "RAFTKV.OWN", "0-16383"} {
				if !strings.Contains(out, want) {
					t.Errorf("dump log lacks %q", want)
				}
			}
			last := uint64(0)
			for line := range strings.Lines(ok(t, "dump", "log", "--json", group)) {
				var e struct{ Index, Term uint64 }
				if err := json.Unmarshal([]byte(line), &e); err != nil || e.Index != last+1 {
					t.Fatalf("line %q after index %d: %v", line, last, err)
				}
				last = e.Index
			}
			var file string
			c.Eventually("a snapshot with the session", func() error {
				// Whole ones have a name without a suffix.
				files, _ := filepath.Glob(filepath.Join(group, "snapshots", "*[0-9]", "state.snap"))
				if len(files) == 0 {
					client.Must("SET", "more", "x")
					return errors.New("none")
				}
				file = files[len(files)-1]
				out, errs, code := run(t, "dump", "snapshot", file)
				if code != 0 {
					return errors.New(errs) // a newer one has replaced it
				}
				if !strings.Contains(out, "session me, sequence 7") {
					client.Must("SET", "more", "x")
					return errors.New("an older one")
				}
				return nil
			})
			if err := c.Pause("n1"); err != nil { // or it would replace the file
				t.Fatal(err)
			}
			file = newestSnapshot(t, group)
			if out := ok(t, "dump", "snapshot", file); !strings.Contains(out, `key-29 = "value with spaces"`) || !strings.Contains(out, "whole: ") {
				t.Errorf("dump snapshot says:\n%.2000s", out)
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			damaged := filepath.Join(t.TempDir(), "damaged.snap")
			if err := os.WriteFile(damaged, b[:len(b)-3], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, errs, code := run(t, "dump", "snapshot", damaged); code != 1 || !strings.Contains(errs, "damaged") {
				t.Errorf("a damaged snapshot: exit code %d, %s", code, errs)
			}
		})
	}
}

func newestSnapshot(t *testing.T, group string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(group, "snapshots", "*[0-9]", "state.snap"))
	if err != nil || len(files) == 0 {
		t.Fatal("no snapshot", err)
	}
	return files[len(files)-1]
}

func TestHelpAndMisuse(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"up", "--help"}, {"down", "--help"}, {"status", "--help"}, {"map", "--help"}, {"node", "kill", "--help"}, {"dump", "log", "--help"}, {"version", "--help"}} {
		if out := ok(t, args...); !strings.Contains(out, "Examples:") {
			t.Errorf("%v has no examples", args)
		}
	}
	for _, args := range [][]string{{"nonsense"}, {"up", "--nonsense"}, {"node", "kill"}, {"status", "extra"}} {
		if _, errs, code := run(t, args...); code != 2 || errs == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
	for _, args := range [][]string{
		{"serve", "--data", t.TempDir()},
		{"serve", "--id", "n1", "--data", t.TempDir()},
		{"serve", "--id", "n 1", "--data", t.TempDir(), "--bootstrap"},
		{"serve", "--id", "n1", "--data", t.TempDir(), "--bootstrap", "--redis", "0.0.0.0:0"},
	} {
		if _, errs, code := run(t, args...); code == 0 || errs == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
}
