package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzViews reads any log in any way that there is: nothing fails, and --json and the
// plain view show each of its lines once, in their order.
func FuzzViews(f *testing.F) {
	for _, name := range []string{"formats", "timeline", "way", "session"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2000)])
	}
	f.Add([]byte("000123 VOTE S1 T3 -> S2\n\n[3] x\n{\"t\":1}\nlevel=warn msg=\"a"))
	f.Fuzz(func(t *testing.T, log []byte) {
		path := filepath.Join(t.TempDir(), "n1.log")
		if err := os.WriteFile(path, log, 0o600); err != nil {
			t.Fatal(err)
		}
		ask := func(flags ...string) string {
			var out, errs bytes.Buffer
			if code := run(context.Background(), append(flags, path), streams{strings.NewReader(""), &out, &errs}); code != 0 && code != 1 && code != 2 {
				t.Errorf("%q exits with %d: %s", flags, code, errs.String())
			}
			return out.String()
		}
		lines := 0
		for range bytes.Lines(log) {
			lines++
		}
		for _, flags := range [][]string{{"--json"}, {"--color", "never"}} {
			if n := strings.Count(ask(flags...), "\n"); n != lines {
				t.Errorf("%q shows %d lines of %d", flags, n, lines)
			}
		}
		if got := strings.TrimSpace(ask("--count")); lines > 0 && got == "" {
			t.Error("nothing is counted")
		}
		ask("--columns", "--width", "40")
		ask("--timeline")
		ask("--stats")
		ask("--trace", "user:7")
		ask("--trace", "9")
		ask("--diagram", path+".svg")
	})
}

// FuzzFlags: what people type into flags is understood, or misuse.
func FuzzFlags(f *testing.F) {
	for _, seed := range []string{"5..", "100..200", "10s", "+1h", "12:01:07.5", "n2=+35ms", `level >= "warn" and (term > 4 or msg contains "timeout")`, "votee", "2024-05-06", "(?P<time>x)", "..", "=", "user:7", "msg matches msg", "-9e99h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "n1.log")
		log := `{"t":"2024-05-06T07:08:09Z","level":"info","node":"n1","topic":"commit","group":1,"term":7,"msg":"x","key":"k"}` + "\n"
		if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, flag := range []string{"query", "term", "since", "until", "skew", "topic", "node", "level", "key", "session", "grep", "field", "pattern"} {
			var out, errs bytes.Buffer
			code := run(context.Background(), []string{"--" + flag + "=" + text, path}, streams{strings.NewReader(""), &out, &errs})
			switch {
			case code == exitFound && out.Len() == 0, code == exitNothing && out.Len() > 0, code == exitTrouble && errs.Len() == 0:
				t.Errorf("--%s=%q exits with %d and prints %q, %q", flag, text, code, out.String(), errs.String())
			}
		}
	})
}
