// Package check tests `raftkv check` on real clusters: it must find the violation
// when a rule is broken on purpose, and none when all rules hold.
package check

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"raftkv/kv/check"
	"raftkv/kv/history"
	"raftkv/kv/node"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// tooth is a rule that is broken, and the check that finds out.
type tooth struct {
	rule   string
	groups int
	faults string
	flags  string
	finds  []string // one of these checks at least
}

var teeth = []tooth{
	{"ack-before-commit", 1, "none", "", []string{check.Linearizable}},
	{"no-sessions", 1, "slow-fsync LEADER 300ms", "", []string{check.Linearizable, check.ExactlyOnce, check.Counters}},
	{"no-fsync", 1, "kill-all", "", []string{check.Acknowledged, check.Counters, check.Linearizable}},
	{"double-owner", 2, "migrate", "", []string{check.Acknowledged, check.Counters, check.Linearizable}},
	{"stale-reads", 1, "pause LEADER", "", []string{check.Linearizable}},
	{"no-barrier", 1, "failover", "--clients 4 --keys 1 --think 5ms --leader-reads", []string{check.Linearizable}},
	{"local-clock-expiry", 1, "clock", "--for 8s", []string{check.Replicas, check.Linearizable}},
	{"vote-twice", 1, "election", "--gap 100ms", []string{check.Acknowledged, check.Counters, check.Linearizable, check.Replicas}},
}

// TestTeeth breaks one rule after the other and wants to be told.
func TestTeeth(t *testing.T) {
	for _, tooth := range teeth {
		t.Run(tooth.rule, func(t *testing.T) {
			c := cluster.Start(t, cluster.Options{Groups: tooth.groups, Flags: []string{"--enable-faults", "--unsafe=" + tooth.rule}})
			// Chance decides what faults hit; it must not take for ever.
			report, code := run(t, c, tooth.faults, "--for 180s --window 2s --stop-early "+tooth.flags)
			if code != 1 {
				t.Fatalf("exit code %d, want 1", code)
			}
			var found []string
			for _, ch := range report.Checks {
				if ch.Result == history.Violated {
					found = append(found, ch.Name)
				}
			}
			if !slices.ContainsFunc(found, func(name string) bool { return slices.Contains(tooth.finds, name) }) {
				t.Errorf("what is wrong is %q, want one of %q", found, tooth.finds)
			}
			if slices.Contains(found, check.Linearizable) {
				judgeAgain(t, report)
			}
		})
	}
	if len(teeth) != len(node.Unsafes) {
		t.Errorf("%d rules can be broken, and %d are tried", len(node.Unsafes), len(teeth))
	}
}

// judgeAgain sees that files tell the same as the run.
func judgeAgain(t *testing.T, report *check.Report) {
	cmd := exec.Command(cluster.Binary(t), "check", "--history", report.History)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !bytes.Contains(out, []byte("VIOLATED")) {
		t.Errorf("judged again: exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
	for _, p := range report.Problems {
		if p.Check != check.Linearizable {
			continue
		}
		if picture, err := os.ReadFile(p.Picture); err != nil || !bytes.Contains(picture, []byte("<html")) {
			t.Errorf("the picture: %v", err)
		}
		part, err := os.Open(p.File)
		if err != nil {
			t.Fatal(err)
		}
		defer part.Close()
		if ops, err := history.Read(part); err != nil || len(ops) == 0 {
			t.Errorf("the smallest part has %d operations: %v", len(ops), err)
		}
		return
	}
	t.Error("no operations are shown that cannot be")
}

// TestSafe tries all that finds broken rules, and more, on clusters without any.
func TestSafe(t *testing.T) {
	runs := []tooth{{faults: "all", flags: "--for 6s"}}
	if os.Getenv("RAFTKV_TEST_ALL") != "" {
		for _, tooth := range teeth {
			tooth.flags += " --for 20s"
			runs = append(runs, tooth)
		}
	}
	c := cluster.Start(t, cluster.Options{Groups: 3, Flags: []string{"--enable-faults"}})
	for _, r := range runs {
		report, code := run(t, c, r.faults, "--window 3s "+r.flags)
		if code != 0 {
			t.Errorf("%s: exit code %d: %+v", r.faults, code, report.Checks)
		}
		if report.Operations < 300 || report.Windows < 2 {
			t.Errorf("%s: %d operations in %d windows prove little", r.faults, report.Operations, report.Windows)
		}
		if (r.faults == "none") != (len(report.Faults) == 0) {
			t.Errorf("%s: %d faults", r.faults, len(report.Faults))
		}
	}
	left, err := c.Status()
	if err != nil || len(left.Faults) > 0 {
		t.Errorf("faults are left: %+v, %v", left.Faults, err)
	}
}

// A node that ends just after its fault was healed is brought back: its cluster is not
// one that does not serve.
func TestNodeEndsAfterHealing(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Flags: []string{"--enable-faults"}})
	var addrs []string
	for _, id := range c.IDs() {
		addrs = append(addrs, c.At(id).HTTP)
	}
	b := check.NewBreaker(c.Cluster, addrs, "")
	ctx, cancel := context.WithTimeout(t.Context(), 2*cluster.Patience)
	defer cancel()
	if err := b.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(c.Leader()); err != nil {
		t.Fatal(err)
	}
	if err := b.AwaitReady(ctx); err != nil {
		t.Errorf("the cluster does not serve: %v", err)
	}
}

// run runs `raftkv check` and returns its report and exit code.
func run(t *testing.T, c *cluster.Cluster, faults, flags string) (*check.Report, int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(cluster.Binary(t), append([]string{"check", "--json", "--quiet", "--within", "60s", "--gap", "200ms", "--faults", faults, "--data", c.Dir(), "--out", out}, strings.Fields(flags)...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Run() // the exit code is the result
	report := new(check.Report)
	if err := json.Unmarshal(stdout.Bytes(), report); err != nil {
		t.Fatalf("%v: %s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	code := cmd.ProcessState.ExitCode()
	for _, p := range report.Problems {
		t.Logf("%s: %s", p.Check, p.Text)
	}
	t.Logf("seed %d, %d operations, %d faults, %.1f s", report.Seed, report.Operations, len(report.Faults), report.Took)
	return report, code
}

// Misuse is told as such, and that there is no verdict has the same code.
func TestMisuse(t *testing.T) {
	for _, args := range [][]string{
		{"check", "--faults", "rain"},
		{"check", "--history", filepath.Join(t.TempDir(), "none")},
		{"check", "--data", t.TempDir(), "--addr", "127.0.0.1:1"},
		{"up", "--data", t.TempDir(), "--unsafe", "all"},
		{"up", "--data", t.TempDir(), "--unsafe", "no-fsync", "--enable-faults=false"},
	} {
		cmd := exec.Command(cluster.Binary(t), args...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 2 {
			t.Errorf("%q: exit code %d: %s", args, code, out)
		}
	}
	cmd := exec.Command(cluster.Binary(t), "serve", "--id", "n1", "--data", t.TempDir(), "--bootstrap", "--unsafe", "no-fsync")
	if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("--enable-faults")) {
		t.Errorf("a rule is broken on a node that must not be: %v: %s", err, out)
	}
}
