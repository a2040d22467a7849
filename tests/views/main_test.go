// Package views breaks a real cluster and looks whether logfilter tells what was
// done to it: the tests know the truth.
package views

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"raftkv/tests/cluster"
)

var logfilter = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "logfilter-test-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "logfilter")
	if out, err := exec.Command("go", "build", "-o", path, "raftkv/cmd/logfilter").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build logfilter: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if path, err := logfilter(); err == nil {
		defer os.RemoveAll(filepath.Dir(path))
	}
	cluster.Main(m)
}

// look runs logfilter, which must find something and have nothing to complain of.
func look(t *testing.T, args ...string) string {
	t.Helper()
	path, err := logfilter()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("logfilter %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}
