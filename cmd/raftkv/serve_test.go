package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"raftkv/tests/cluster"
)

// serveArgs is the command line of a node whose ports are base and the two after it.
func serveArgs(base int, flags ...string) []string {
	args := append([]string{"serve", "--min-free=1mb"}, flags...)
	for i, flag := range []string{"--redis", "--http", "--peer"} {
		args = append(args, fmt.Sprintf("%s=127.0.0.1:%d", flag, base+i))
	}
	return args
}

func TestServe(t *testing.T) {
	data := t.TempDir()
	want(t, exitFailure, []string{"--bootstrap", "--join"}, "serve", "--id=n1", "--data", data)
	args := serveArgs(cluster.FreePorts(t, 3), "--id=n1", "--data", data, "--bootstrap")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	said, stdout := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, args, stdout, &stderr)
		stdout.Close()
	}()
	for lines, want := bufio.NewReader(said), []string{"node n1 runs; log: ", "node n1 serves\n"}; len(want) > 0; want = want[1:] {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want[0]) {
			t.Fatalf("%q, %v; exit code %d\n%s", line, err, <-ended, &stderr)
		}
	}
	want(t, exitFailure, []string{"in use by another raftkv process"}, "serve", "--data", data)
	stop() // as SIGTERM does
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, &stderr)
	}
}

// A node that finds no cluster says so, and does not claim to serve.
func TestServeWithoutAPlace(t *testing.T) {
	base := cluster.FreePorts(t, 4)
	args := serveArgs(base, "--id=n2", "--data", t.TempDir(), fmt.Sprint("--join=127.0.0.1:", base+3))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	said, stderr := io.Pipe()
	var stdout bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, args, &stdout, stderr)
		stderr.Close()
	}()
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil || !strings.Contains(line, "node n2 does not serve yet") || !strings.Contains(line, fmt.Sprint("127.0.0.1:", base+3)) {
		t.Errorf("%q, %v", line, err)
	}
	stop()
	if code := <-ended; code != 0 || strings.Contains(stdout.String(), "serves") {
		t.Errorf("exit code %d\n%s", code, &stdout)
	}
}
