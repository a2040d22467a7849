package views

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/ask"
	"raftkv/tests/cluster"
)

// pauseFor is longer than it takes until a node that runs again says that it did not.
const pauseFor = 1500 * time.Millisecond

// stage is a cluster that is broken step by step.
type stage struct {
	*cluster.Cluster
	t    *testing.T
	dir  string   // with the nodes' folders
	acts []string // what the timeline must say of each step, in order: regular expressions
}

func setStage(t *testing.T) *stage {
	c := cluster.Start(t, cluster.Options{Flags: []string{"--trace=all", "--enable-faults"}})
	s := &stage{Cluster: c, t: t, dir: filepath.Dir(c.At("n1").Dir)}
	c.Eventually("the balancer is off", func() error { return s.order("PUT", "/v1/balance", `{"on":false}`) })
	return s
}

// order gives an order, with or without a body of JSON, to a node that takes it.
func (s *stage) order(method, path, body string) (err error) {
	q := ask.Question{Method: method, Path: path}
	if body != "" {
		q.Body = json.RawMessage(body)
	}
	for _, id := range s.IDs() {
		q.Addr = s.At(id).HTTP
		if err = q.Into(s.t.Context(), nil); err == nil {
			return nil
		}
	}
	return err
}

// expect notes what follows from what was done to the old leader.
func (s *stage) expect(old, now, cause string) {
	s.acts = append(s.acts, fmt.Sprintf(`▶ %s leads in term \d+ for [^:]*: %s`, now, strings.ReplaceAll(cause, "OLD", old)))
}

func (s *stage) write(key string) {
	s.t.Helper()
	client := s.Client()
	defer client.Close()
	if reply, err := client.Must("SET", key, "v"); err != nil || reply.Kind == kv.Error {
		s.t.Fatalf("SET %s: %s, %v", key, reply.Str, err)
	}
}

// waitLine waits until a node's log has a line with these words after what it has now.
func (s *stage) waitLine(node string, from int64, words string) {
	s.t.Helper()
	s.Eventually(node+" to say "+words, func() error {
		text, err := os.ReadFile(filepath.Join(s.At(node).Dir, "log", "node.jsonl"))
		if err == nil && !strings.Contains(string(text[from:]), words) {
			err = errors.New("it has not yet")
		}
		return err
	})
}

// said returns how long a node's log is.
func (s *stage) said(node string) int64 {
	info, err := os.Stat(filepath.Join(s.At(node).Dir, "log", "node.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

// handOver lets another node lead.
func (s *stage) handOver() {
	s.t.Helper()
	old := s.Leader()
	next := s.Followers()[0]
	s.Eventually("a transfer", func() error { return s.order("POST", "/v1/groups/1/leader", `{"node":"`+next+`"}`) })
	s.Eventually("the new leader", func() error {
		if now := s.Leader(); now != next {
			return fmt.Errorf("%s leads", now)
		}
		return nil
	})
	s.expect(old, next, "OLD handed over")
}

func (s *stage) kill() {
	s.t.Helper()
	old := s.Leader()
	if err := s.Kill(old); err != nil {
		s.t.Fatal(err)
	}
	now := s.Leader(old)
	s.StartAll()
	s.expect(old, now, "OLD's process ended without a word")
}

func (s *stage) pause() {
	s.t.Helper()
	old := s.Leader()
	before, start := s.said(old), time.Now()
	if err := s.Pause(old); err != nil {
		s.t.Fatal(err)
	}
	now := s.Leader(old)
	s.Eventually("the pause is long enough", func() error {
		if time.Since(start) < pauseFor {
			return errors.New("not yet")
		}
		return nil
	})
	if err := s.Resume(old); err != nil {
		s.t.Fatal(err)
	}
	s.waitLine(old, before, "the process did not run")
	s.expect(old, now, `OLD did not run for \d`)
}

func (s *stage) isolate() {
	s.t.Helper()
	old := s.Leader()
	s.Eventually("a fault", func() error { return s.order("POST", "/v1/faults", `{"fault":"isolate `+old+`"}`) })
	now := s.Leader(old)
	s.Eventually("the fault's end", func() error { return s.order("DELETE", "/v1/faults", "") })
	s.expect(old, now, ".*: fault isolate OLD")
}

// Each of these ends a leader in its own way, and the timeline must say which.
func TestTheTimelineTellsTheTruth(t *testing.T) {
	s := setStage(t)
	s.handOver()
	s.write("after:handover")
	s.isolate()
	s.write("after:isolate")
	s.pause()
	s.write("after:pause")
	s.kill()
	s.write("after:kill")
	leader := s.Leader()
	s.waitTrace(leader, "after:kill")

	story := look(t, "--timeline", "--group", "1", s.dir)
	rest := story
	for i, act := range s.acts {
		at := regexp.MustCompile(act).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("step %d, %s, is missing, or not in its place:\n%s", i+1, act, story)
		}
		rest = rest[at[1]:]
	}
	if strings.Contains(story, "nobody leads for -") {
		t.Errorf("a gap of negative length:\n%s", story)
	}

	checkWay(t, s, leader, "after:kill")
	checkPage(t, s)
}

// waitTrace waits until a key is in a node's trace, with what comes after it.
func (s *stage) waitTrace(node, key string) {
	s.t.Helper()
	s.Eventually("the trace of "+key, func() error {
		text, err := os.ReadFile(filepath.Join(s.At(node).Dir, "log", "trace.jsonl"))
		if err != nil {
			return err
		}
		_, after, found := strings.Cut(string(text), key)
		if !found || !strings.Contains(after, `"msg":"answered"`) || !strings.Contains(after, `"way":"returned"`) {
			return errors.New("it is not there yet")
		}
		return nil
	})
}

// checkWay looks at the way of a key that was written once, when leader led.
func checkWay(t *testing.T, s *stage, leader, key string) {
	out := look(t, "--trace", key, "--width", "120", s.dir)
	for _, want := range []string{
		`group 1, index \d+, term \d+  at .* by ` + leader + `: 1 command, \d+ bytes, answered after \d`,
		`keys: ` + key,
		leader + ` +waits its turn`,
		leader + `→n\d +append`,
		leader + ` +writes it to its disk`,
		`n\d→` + leader + ` +answer`,
		leader + ` +knows of the commit, applies it`,
		leader + ` +answers`,
		`The reply waited for n\d`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the way of %s has no %q:\n%s", key, want, out)
		}
	}
	if n := strings.Count(out, "group 1, index"); n != 1 {
		t.Errorf("%s was written once, and %d entries have it:\n%s", key, n, out)
	}
}
