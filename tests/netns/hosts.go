package netns

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/ask"
	"raftkv/tests/cluster"
)

// password is what clients give: without one, faults are ordered from a node's own
// machine alone.
const password = "netns"

// hosted is a cluster of one node a host, which has the host's name. It is killed
// when the test ends.
type hosted struct {
	*lab
	t   *testing.T
	dir string
}

// startHosted starts a node on each host, as a person would on several machines, and
// waits until all of them serve.
func startHosted(t *testing.T, l *lab) *hosted {
	t.Helper()
	t.Setenv("RAFTKV_PASSWORD", password) // of all programs that the test starts
	h := &hosted{lab: l, t: t, dir: t.TempDir()}
	for i, id := range l.hosts {
		entry := []string{"--join=" + l.addr(l.hosts[0]) + ":9001"}
		if i == 0 {
			entry = []string{"--bootstrap", "--groups=1", fmt.Sprintf("--initial-nodes=%d", len(l.hosts))}
		}
		h.serve(id, entry...)
	}
	for _, id := range l.hosts {
		cluster.Eventually(t, id+" to be ready", func() error { return h.get(id, "/readyz", nil) })
	}
	return h
}

// serve starts a node.
func (h *hosted) serve(id string, entry ...string) {
	h.t.Helper()
	addr := h.addr(id)
	args := append([]string{"serve", "--id=" + id, "--data=" + filepath.Join(h.dir, id), "--min-free=1mb", "--insecure", "--enable-faults",
		"--redis=" + h.redis(id), "--http=" + h.http(id), "--peer=" + addr + ":9001"}, entry...)
	cmd := h.on(id, cluster.Binary(h.t), args...)
	// The hosts share this machine's processors: launch.fairShare tells why one each.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cmd.Process.Kill() // data is in a temporary folder: no need for order
		cmd.Wait()
		if h.t.Failed() {
			b, _ := os.ReadFile(filepath.Join(h.dir, id, "log", "node.jsonl"))
			lines := strings.Split(string(b), "\n")
			h.t.Logf("%s: %s%s", id, console.Bytes(), strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
}

func (h *hosted) redis(id string) string { return h.addr(id) + ":7001" }
func (h *hosted) http(id string) string  { return h.addr(id) + ":8001" }

// all returns the addresses of all nodes.
func (h *hosted) all(of func(id string) string) (out []string) {
	for _, id := range h.hosts {
		out = append(out, of(id))
	}
	return out
}

// others returns the hosts but one.
func (h *hosted) others(id string) []string {
	return slices.DeleteFunc(slices.Clone(h.hosts), func(other string) bool { return other == id })
}

// raftkv runs a command of the program, asks a node, and returns the output.
func (h *hosted) raftkv(t *testing.T, asked string, args ...string) string {
	t.Helper()
	cmd := exec.Command(cluster.Binary(t), append(args, "--addr="+h.http(asked))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("raftkv %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// get asks a node over HTTP, and decodes the answer into out if that is not nil.
func (h *hosted) get(id, path string, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return ask.Question{Addr: h.http(id), Path: path, Password: password}.Into(ctx, out)
}

// leader returns who leads group 1, as the nodes that are asked know it, and waits
// until they do.
func (h *hosted) leader(t *testing.T, asked ...string) string {
	t.Helper()
	leader := ""
	cluster.Eventually(t, "a leader", func() error {
		for _, id := range asked {
			var s kv.Status
			if err := h.get(id, "/v1/status", &s); err != nil {
				return err
			}
			g, err := cluster.GroupIn(s, 1)
			if err != nil {
				return err
			}
			if leader = g.Leader; !slices.Contains(asked, leader) {
				return fmt.Errorf("%s names %q", id, leader)
			}
		}
		return nil
	})
	return leader
}

// dial opens a connection to a node.
func (h *hosted) dial(id string) (*cluster.Conn, error) {
	conn, err := cluster.Dial(h.redis(id))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Do("AUTH", password); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// ask executes one command on a node, on a connection of its own. An error reply is
// an error.
func (h *hosted) ask(id string, args ...string) (kv.Reply, error) {
	conn, err := h.dial(id)
	if err != nil {
		return kv.Reply{}, err
	}
	defer conn.Close()
	return answer(conn.Do(args...))
}

// follow reads a key from any node's own replica.
func (h *hosted) follow(id, key string) (string, error) {
	conn, err := h.dial(id)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := answer(conn.Do("READONLY")); err != nil {
		return "", err
	}
	reply, err := answer(conn.Do("GET", key))
	return string(reply.Str), err
}

func answer(reply kv.Reply, err error) (kv.Reply, error) {
	if err == nil && reply.Kind == kv.Error {
		err = kv.ReplyError(reply.Str)
	}
	return reply, err
}

// events returns what a node tells of what has happened since a position.
func (h *hosted) events(t *testing.T, id, since string) (out []kv.Event) {
	t.Helper()
	for line := range strings.Lines(h.raftkv(t, id, "events", "--json", "--since="+since)) {
		var e kv.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// position returns where the stream of events is.
func (h *hosted) position(t *testing.T, id string) string {
	t.Helper()
	all := h.events(t, id, "")
	if len(all) == 0 {
		t.Fatalf("%s tells no events", id)
	}
	return all[len(all)-1].ID
}

// put writes a key, by the writers' client.
func (h *hosted) put(t *testing.T, w *writers, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cluster.Patience)
	defer cancel()
	if err := w.client.Set(ctx, key, value); err != nil {
		t.Fatal(err)
	}
}
