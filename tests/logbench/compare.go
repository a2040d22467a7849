package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// question is asked of all tools. Those of a tool that cannot ask it are nil.
type question struct {
	text      string
	logfilter []string
	grep      []string // counts lines, so that it cannot stop at the first
	jq        string
	lnav      string // a condition in SQL
}

var questions = []question{
	{"group 3, errors", []string{"--group", "3", "--level", "error", "--json"}, []string{"-F", `"level":"error"`}, `select(.group==3 and .level=="error")`, `:log_group = 3 AND :log_level = 'error'`},
	{"one message, rare", []string{"--grep", "no longer serving as leader", "--json"}, []string{"-F", "no longer serving as leader"}, `select(.msg|contains("no longer serving as leader"))`, `:log_body LIKE '%no longer serving as leader%'`},
	{"term 5 or later, of n2", []string{"--node", "n2", "--term", "5..", "--json"}, nil, `select(.node=="n2" and .term>=5)`, ``},
	{"an expression", []string{"-q", `level >= "warn" and (term > 4 or msg contains "timeout")`, "--json"}, nil, `select((.level=="warn" or .level=="error") and (.term>4 or (.msg|contains("timeout"))))`, ``},
	{"topic election, as text", []string{"--topic", "election"}, nil, ``, ``},
	{"all of it counted, merged by time", []string{"--count"}, nil, ``, ``},
	{"the last 10 s", []string{"--since", "10s", "--json"}, nil, ``, ``},
}

// measured is what one run of a tool took.
type measured struct {
	seconds, cpu float64
	megabytes    float64 // that it was given
	resident     int64   // KiB, at most
}

func (m measured) rate() float64 { return m.megabytes / m.seconds }

func (o *options) compare(ctx context.Context, big, part string) error {
	logs, size, err := find(big)
	if err != nil {
		return err
	}
	slow, slowSize, err := find(part)
	if err != nil {
		return err
	}
	warm(logs)
	warm(slow)
	fmt.Printf("### logfilter beside grep, jq and lnav\n\n%.0f MB of %d nodes' JSON lines in the page cache, output thrown away; jq and lnav get %.0f MB. MB/s, CPU seconds a GB in brackets.\n\n",
		size, len(logs), slowSize)
	for _, tool := range []string{"grep", "jq", "lnav"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("%s is not installed here: its column is empty.\n", tool)
		}
	}
	fmt.Printf("\n| question | logfilter | its memory | grep -c | jq | lnav -n | x jq | x lnav | grep / logfilter |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, q := range questions {
		note("%s", q.text)
		mine, err := measure(ctx, size, o.logfilter, append(q.logfilter, big)...)
		if err != nil {
			return err
		}
		grep := optional(ctx, q.grep != nil, size, "grep", append(append([]string{"-c"}, q.grep...), logs...)...)
		jq := optional(ctx, q.jq != "", slowSize, "jq", append([]string{"-c", q.jq}, slow...)...)
		lnav, err := o.lnav(ctx, q, slowSize, slow)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %d MB | %s | %s | %s | %s | %s | %s |\n", q.text, cell(&mine), mine.resident>>10, cell(grep), cell(jq), cell(lnav),
			ratio(&mine, jq), ratio(&mine, lnav), ratio(grep, &mine))
	}
	return nil
}

func cell(m *measured) string {
	if m == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f (%.2f)", m.rate(), m.cpu/m.megabytes*1000)
}

func ratio(a, b *measured) string {
	if a == nil || b == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", a.rate()/b.rate())
}

func find(dir string) (paths []string, megabytes float64, err error) {
	paths, err = filepath.Glob(filepath.Join(dir, "*", "log", "node.jsonl"))
	for _, path := range paths {
		info, statErr := os.Stat(path)
		if statErr != nil {
			return nil, 0, statErr
		}
		megabytes += float64(info.Size()) / 1e6
	}
	return paths, megabytes, err
}

// warm reads files, so that no tool is measured with the disk.
func warm(paths []string) {
	for _, path := range paths {
		if f, err := os.Open(path); err == nil {
			_, _ = io.Copy(io.Discard, f) // a tool would report the error
			f.Close()
		}
	}
}

// optional measures a tool if it is asked and there.
func optional(ctx context.Context, asked bool, megabytes float64, program string, args ...string) *measured {
	if _, err := exec.LookPath(program); err != nil || !asked {
		return nil
	}
	m, err := measure(ctx, megabytes, program, args...)
	if err != nil {
		note("%s: %v", program, err)
		return nil
	}
	return &m
}

// measure runs a program; exit code 1 says of all of these that nothing was
// found. Its output goes into a pipe that is read: grep stops early if it sees
// /dev/null.
func measure(ctx context.Context, megabytes float64, program string, args ...string) (measured, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = struct{ io.Writer }{io.Discard}, &says
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start).Seconds()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return measured{}, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(says.String()))
	}
	used := cmd.ProcessState
	usage, ok := used.SysUsage().(*syscall.Rusage)
	if !ok {
		return measured{}, errors.New("the system tells no memory of processes")
	}
	return measured{took, (used.UserTime() + used.SystemTime()).Seconds(), megabytes, usage.Maxrss}, nil
}

// lnavFormat teaches lnav raftkv's lines.
const lnavFormat = `{"$schema":"https://lnav.org/schemas/format-v1.schema.json","raftkv_log":{"title":"raftkv","json":true,
"file-pattern":"node\\.jsonl","timestamp-field":"t","level-field":"level","body-field":"msg","line-format":[{"field":"t"}," ",{"field":"msg"}],
"value":{"node":{"kind":"string"},"topic":{"kind":"string"},"group":{"kind":"integer"},"term":{"kind":"integer"},"index":{"kind":"integer"}}}}`

// lnav asks lnav in a home of its own.
func (o *options) lnav(ctx context.Context, q question, megabytes float64, logs []string) (*measured, error) {
	if _, err := exec.LookPath("lnav"); err != nil || q.lnav == "" {
		return nil, nil
	}
	home := filepath.Join(o.dir, "lnav")
	formats := filepath.Join(home, ".lnav", "formats", "installed")
	if err := os.MkdirAll(formats, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(formats, "raftkv_log.json"), []byte(lnavFormat), 0o644); err != nil {
		return nil, err
	}
	condition := strings.ReplaceAll(q.lnav, ":log_group", ":group")
	args := append([]string{"HOME=" + home, "TERM=xterm", "lnav", "-n", "-c", ":filter-expr " + condition}, logs...)
	return optional(ctx, true, megabytes, "env", args...), nil
}
