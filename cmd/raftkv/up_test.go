package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

func TestUpAndDown(t *testing.T) {
	data, ports := newFolder(t, 3)
	up := append([]string{"up", "--data", data, "--detach"}, ports...)
	nodesAt := want(t, 0, []string{"3 nodes serve", "redis-cli -c -p", "/v1/kv/a", "status --data " + data}, up...)
	wantAll(t, data, launch.Running)
	want(t, 0, []string{"runs already"}, up...)
	if r := call(t, "up", "--data", data); r.code != exitFailure || !strings.Contains(r.stdout, "runs already") {
		t.Errorf("in the foreground, too: %+v", r)
	}
	nodes := nodesOf(t, data)
	put(t, nodes[0].HTTP, "a", "1")

	var status kv.Status
	r := want(t, 0, nil, "status", "--json", "--addr", nodes[1].HTTP)
	if err := json.Unmarshal([]byte(r.stdout), &status); err != nil || len(status.Nodes) != 3 || len(status.Groups) != 4 {
		t.Errorf("status --json: %v\n%s", err, r.stdout)
	}
	want(t, 0, []string{"group 1: leader n"}, "status", "--data", data)

	want(t, 0, []string{"n1 killed"}, "node", "kill", "n1", "--data", data)
	want(t, 0, []string{"n1 does not run"}, "node", "kill", "n1", "--data", data)
	want(t, exitFailure, []string{"n1 does not run", "node start n1 --data " + data}, "node", "resume", "n1", "--data", data)
	want(t, 0, []string{"n2 is paused"}, "node", "pause", "n2", "--data", data)
	want(t, exitFailure, []string{"n2 is paused", "node resume n2"}, "node", "start", "n2", "--data", data)
	want(t, exitFailure, []string{"n2 is paused", "node resume n2"}, "up", "--detach", "--data", data)
	want(t, 0, []string{"n2 goes on"}, "node", "resume", "n2", "--data", data)
	want(t, 0, []string{"n1 serves"}, "node", "start", "n1", "--data", data)
	want(t, exitFailure, []string{"n9", "n1, n2, n3"}, "node", "kill", "n9", "--data", data)

	want(t, 0, []string{"stopped 3 nodes"}, "down", "--data", data)
	wantAll(t, data, launch.Dead)
	want(t, 0, []string{"nothing of"}, "down", "--data", data)

	// One of three cannot serve: node start says so instead of waiting.
	want(t, 0, []string{"n1 runs (pid", "once 2 of 3 nodes run, now 1"}, "node", "start", "n1", "--data", data)

	// Started again it resumes the data, and takes no other shape.
	want(t, exitFailure, []string{"3 nodes", "--data"}, "up", "--detach", "--data", data, "--nodes=5")
	want(t, exitFailure, []string{"--groups", "--data"}, "up", "--detach", "--data", data, "--groups=5")
	want(t, exitFailure, []string{"--redis-port", "--data"}, "up", "--detach", "--data", data, "--redis-port=7")
	want(t, 0, []string{"3 nodes serve"}, "up", "--detach", "--data", data)
	if got := read(t, nodesOf(t, data)[2].HTTP, "a"); got != "1" {
		t.Errorf("a is %q after a restart; first start: %s", got, nodesAt.stdout)
	}
}

func put(t *testing.T, addr, key, value string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPut, "http://"+addr+"/v1/kv/"+key, strings.NewReader(value))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Fatalf("PUT %s: %s", key, response.Status)
	}
}

func read(t *testing.T, addr, key string) string {
	t.Helper()
	response, err := http.Get("http://" + addr + "/v1/kv/" + key)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestUpWithPortsInUseStartsNothing(t *testing.T) {
	data, ports := newFolder(t, 3)
	var first int
	fmt.Sscanf(ports[2], "--http-port=%d", &first)
	busy := fmt.Sprintf("127.0.0.1:%d", first+1)
	l, err := net.Listen("tcp", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want(t, exitFailure, []string{busy + " (http of n2)", "nothing was started", "--http-port"}, append([]string{"up", "--detach", "--data", data}, ports...)...)
	wantAll(t, data, launch.Dead)
	if _, err := os.Stat(filepath.Join(data, "n1")); err == nil {
		t.Error("n1 was started")
	}
}

func TestUpKeepsSettingsAndShowsWhyANodeDoesNotStart(t *testing.T) {
	data, ports := newFolder(t, 1)
	up := func(code int, says string, flags ...string) {
		t.Helper()
		want(t, code, []string{says}, append([]string{"up", "--detach", "--data", data}, flags...)...)
	}
	up(0, "1 node serve", append(ports, "--log-store=boltdb")...)
	want(t, 0, nil, "down", "--data", data)
	up(0, "1 node serve", "--max-memory=1gb") // the log store is as before
	up(0, "takes effect when its nodes start again", "--max-memory=2gb")
	want(t, 0, nil, "down", "--data", data)
	up(exitFailure, "was made with --log-store=boltdb", "--log-store=wal")
	wantAll(t, data, launch.Dead)
	up(0, "1 node serve", "--log-store=boltdb")
}

func TestUpStopsWithCtrlC(t *testing.T) {
	data, ports := newFolder(t, 3)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"up", "--data", data}, ports...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	told := make(map[string]int)
	until := func(text string) {
		t.Helper()
		patience := time.After(cluster.Patience)
		for {
			select {
			case line, ok := <-lines:
				told[line]++
				if strings.Contains(line, text) {
					return
				}
				if !ok {
					t.Fatalf("it ended without saying %q", text)
				}
			case <-patience:
				t.Fatalf("it does not say %q", text)
			}
		}
	}
	until("Ctrl-C stops it")
	start := len(told)
	want(t, 0, nil, "balance", "off", "--data", data)
	until("the balancer is off: ordered by a person")
	if news := len(told) - start; news > 5 {
		t.Errorf("%d lines after the start, where nothing happens: %v", news, told)
	}
	// Its events came from n1 so far.
	want(t, 0, nil, "node", "kill", "n1", "--data", data)
	until("n1 exited: signal: killed")
	want(t, 0, nil, "balance", "on", "--data", data)
	until("the balancer is on: ordered by a person")
	until("node n1 does not answer: silent")
	want(t, 0, nil, "node", "start", "n1", "--data", data)
	until("node n1 answers again")
	for line, times := range told {
		if times > 1 {
			t.Errorf("%q is told %d times", line, times)
		}
	}

	// The terminal sends Ctrl-C to the whole process group.
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	until("stopped 3 nodes")
	for range lines { // Wait closes the pipe: first all must be read
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	wantAll(t, data, launch.Dead)
}

func TestPasswordIsNotForgotten(t *testing.T) {
	data, ports := newFolder(t, 1)
	t.Setenv(passwordVariable, "secret")
	want(t, 0, nil, append([]string{"up", "--detach", "--data", data}, ports...)...)
	want(t, 0, nil, "node", "kill", "n1", "--data", data)
	os.Unsetenv(passwordVariable)
	want(t, exitFailure, []string{passwordVariable}, "node", "start", "n1", "--data", data)
	want(t, exitFailure, []string{passwordVariable}, "up", "--detach", "--data", data)
	t.Setenv(passwordVariable, "secret")
	want(t, 0, nil, "node", "start", "n1", "--data", data)
	if got := read(t, nodesOf(t, data)[0].HTTP, "a"); !strings.Contains(got, "NOAUTH") {
		t.Errorf("without the password: %s", got)
	}
}
