package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"raftkv/tests/cluster"
)

func TestServe(t *testing.T) {
	data := t.TempDir()
	want(t, exitFailure, []string{"--bootstrap", "--join"}, "serve", "--id=n1", "--data", data)
	base := cluster.FreePorts(t, 3)
	args := []string{"serve", "--id=n1", "--data", data, "--bootstrap", "--min-free=1mb"}
	for i, flag := range []string{"--redis", "--http", "--peer"} {
		args = append(args, fmt.Sprintf("%s=127.0.0.1:%d", flag, base+i))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	said, stdout := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, args, stdout, &stderr)
		stdout.Close()
	}()
	line := make([]byte, 200)
	n, err := said.Read(line)
	if err != nil || !strings.HasPrefix(string(line[:n]), "node n1 serves") {
		t.Fatalf("%q, %v; exit code %d\n%s", line[:n], err, <-ended, &stderr)
	}
	want(t, exitFailure, []string{"in use by another raftkv process"}, "serve", "--data", data)
	stop() // as SIGTERM does
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, &stderr)
	}
}
