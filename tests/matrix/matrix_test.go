package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"raftkv/kv/check"
	"raftkv/kv/history"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// try runs the matrix and returns what it has printed and found.
func try(t *testing.T, ctx context.Context, args ...string) (code int, table string, results []result) {
	t.Helper()
	dir := t.TempDir()
	var out, progress bytes.Buffer
	args = append([]string{"-raftkv", cluster.Binary(t), "-dir", dir, "-seed", "7"}, args...)
	code = run(ctx, args, &out, &progress)
	t.Logf("%s\n%s", progress.Bytes(), out.Bytes())
	files, err := filepath.Glob(filepath.Join(dir, "*", "matrix.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("there are results in %q, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &results); err != nil {
		t.Fatal(err)
	}
	return code, out.String(), results
}

// The matrix in short: two workloads under two faults, with one group and with three.
func TestShort(t *testing.T) {
	t.Parallel()
	for _, part := range []struct{ groups, works, faults string }{
		{"1", "register,expiry", "pause"},
		{"3", "session,counter", "snapshot"},
	} {
		code, table, results := try(t, t.Context(), "-duration", "1s", "-groups", part.groups, "-workloads", part.works, "-faults", part.faults, "-port", ports(t))
		if code == exitViolated || len(results) != 2 || !strings.Contains(table, "2 of 2 cells") {
			t.Errorf("exit code %d, %d cells", code, len(results))
		}
		for _, r := range results {
			switch {
			case r.Verdict == history.Undecided && strings.Contains(r.Why, busyText): // it is no fault of the cluster's
			case r.Verdict != history.Correct:
				t.Errorf("%+v", r)
			case r.Operations < 20 || r.Faults < 1 || r.Unavailable <= 0 || (r.Moves > 0) != (part.groups == "3"):
				t.Errorf("a cell proves little: %+v", r)
			}
		}
	}
}

// A cell that finds something keeps what shows it, and tells how to find it again; and
// the next one has a cluster of its own.
func TestBrokenRule(t *testing.T) {
	t.Parallel()
	code, table, results := try(t, t.Context(), "-duration", "20s", "-groups", "1", "-workloads", "http,register", "-faults", "none", "-unsafe", "ack-before-commit", "-port", ports(t))
	if code != exitViolated || !strings.Contains(table, "WRONG") || len(results) != 2 {
		t.Fatalf("exit code %d, %d cells", code, len(results))
	}
	folders := make(map[string]bool)
	for _, r := range results {
		if r.Verdict != history.Violated || !strings.Contains(table, r.Command) || !strings.Contains(table, r.Kept) {
			t.Errorf("%+v", r)
		}
		for _, path := range []string{filepath.Join(r.Kept, "history.jsonl"), filepath.Join(r.Kept, "report.json"), filepath.Join(r.Data, "n1", "log", "node.jsonl")} {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
		folders[r.Data] = true
	}
	if len(folders) != 2 {
		t.Errorf("the nodes' data are in %v", folders)
	}
}

// Ctrl-C ends the cell, and what is done is told.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	begun := writer(func(b []byte) {
		if bytes.Contains(b, []byte("answers,")) { // some seconds of an hour
			cancel()
		}
	})
	var out bytes.Buffer
	code := run(ctx, []string{"-raftkv", cluster.Binary(t), "-dir", t.TempDir(), "-duration", "2h", "-faults", "none", "-groups", "1", "-port", ports(t)}, &out, begun)
	if code != exitCorrect || !strings.Contains(out.String(), "1 of 4 cells") {
		t.Errorf("exit code %d\n%s", code, out.Bytes())
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func ports(t *testing.T) string { return strconv.Itoa(cluster.FreePorts(t, 3*nodes)) }

// Each word is a row, its cells are the same alone and among others, and all of them
// are what raftkv check knows.
func TestCells(t *testing.T) {
	all := matrix{seed: 3}
	if err := all.choose([]string{"all"}, []string{"all"}, []string{"1", "3"}); err != nil {
		t.Fatal(err)
	}
	if want := 2 * len(workloads) * len(faultRows); len(all.cells) != want {
		t.Errorf("%d cells, want %d", len(all.cells), want)
	}
	used := make(map[check.Workload]bool)
	seeds := make(map[uint64]bool)
	for _, c := range all.cells {
		for _, w := range c.workloads {
			used[w] = true
		}
		seeds[c.seed] = true
		alone := matrix{seed: 3}
		if err := alone.choose([]string{c.work.name}, []string{c.fault.name}, []string{strconv.Itoa(c.groups)}); err != nil || len(alone.cells) != 1 || alone.cells[0].seed != c.seed {
			t.Errorf("%s alone: %+v, %v", &c, alone.cells, err)
		}
	}
	if len(used) != len(check.Workloads) || len(seeds) < len(all.cells)*9/10 {
		t.Errorf("%d workloads, %d seeds", len(used), len(seeds))
	}
	var own matrix
	if err := own.choose([]string{"cas"}, []string{"pause LEADER"}, []string{"5"}); err != nil || len(own.cells) != 1 {
		t.Errorf("%+v, %v", own.cells, err)
	}
	for _, bad := range [][3]string{{"dance", "none", "1"}, {"register", "rain", "1"}, {"register", "none", "0"}, {"", "none", "1"}} {
		m := matrix{}
		if err := m.choose(list(bad[0]), list(bad[1]), list(bad[2])); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// What did not happen proves nothing.
func TestConclude(t *testing.T) {
	c, err := newCell(workloads[0], faultRows[1], 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(name string) check.Report {
		return check.Report{Result: history.Violated, Checks: []check.Check{{Name: name, Result: history.Violated, Detail: "it is"}}}
	}
	fault := check.Injected{Fault: "kill n1"}
	failed := check.Injected{Fault: "kill n2", Error: "no"}
	for name, try := range map[string]struct {
		report check.Report
		busy   time.Duration
		want   history.Result
		why    string
	}{
		"all well":         {check.Report{Result: history.Correct, Faults: []check.Injected{fault, failed}, Moves: 1}, time.Second, history.Correct, ""},
		"no fault":         {check.Report{Result: history.Correct, Faults: []check.Injected{failed}, Moves: 1}, 0, history.Undecided, "no fault was injected kill n2: no"},
		"no move":          {check.Report{Result: history.Correct, Faults: []check.Injected{fault}}, 0, history.Undecided, "no slot was moved"},
		"wrong in any way": {wrong(check.Counters), time.Second, history.Violated, "counters: it is"},
		"late":             {wrong(check.Serving), tooBusy - 1, history.Violated, "serves again: it is"},
		"late, and busy":   {wrong(check.Serving), time.Second, history.Undecided, "the machine is too busy, and has let a process wait for 1s: serves again: it is"},
	} {
		var r result
		if r.conclude(&c, &try.report, try.busy); r.Verdict != try.want || r.Why != try.why {
			t.Errorf("%s: %s, %q", name, r.Verdict, r.Why)
		}
	}
}
