package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the program prints into the transcripts")

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Unsetenv("NO_COLOR")
	os.Exit(m.Run())
}

// inputs make the files of a transcript that are no text.
var inputs = map[string]func(*testing.T){"raft.txt": makeRaftLogs, "snapshot.txt": makeSnapshots}

// TestTranscripts runs the commands of testdata/*.txt. A transcript begins with
// why it exists; then come files, each after a line "-- name --", and commands,
// each a line "$ logfilter ..." with what it prints after it, and "[exit N]" if
// that is not 0.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(err, "no transcripts")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { replay(t, path) })
	}
}

func replay(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if make := inputs[filepath.Base(path)]; make != nil {
		make(t)
	}
	var out strings.Builder
	var file *strings.Builder
	name, commands := "", 0
	end := func() {
		if file == nil {
			return
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		// The blank line before the commands is no part of the last file.
		content := strings.TrimSuffix(file.String(), "\n")
		if !strings.HasSuffix(content, "\n") {
			content += "\n"
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		file = nil
	}
	for line := range strings.Lines(string(text)) {
		inner, isFile := strings.CutPrefix(line, "-- ")
		inner, closed := strings.CutSuffix(inner, " --\n")
		command, isCommand := strings.CutPrefix(line, "$ logfilter")
		switch {
		case isCommand:
			end()
			if commands > 0 {
				out.WriteString("\n")
			}
			commands++
			out.WriteString(line)
			out.WriteString(execute(t, command))
		case commands > 0: // what it printed before
		case isFile && closed:
			end()
			file, name = &strings.Builder{}, inner
			out.WriteString(line)
		default:
			if file != nil {
				file.WriteString(line)
			}
			out.WriteString(line)
		}
	}
	if commands == 0 {
		t.Fatal("no command")
	}
	if *update {
		if err := os.WriteFile(whole, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out.String() != string(text) {
		t.Errorf("it prints\n%s", difference(string(text), out.String()))
	}
}

// execute runs a command line. "< file" at its end is its standard input.
func execute(t *testing.T, command string) string {
	t.Helper()
	command, input, _ := strings.Cut(strings.TrimSpace(command), " < ")
	var in bytes.Buffer
	if input != "" {
		b, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(b)
	}
	var out bytes.Buffer
	code := run(context.Background(), words(command), streams{&in, &out, &out})
	if code != 0 {
		fmt.Fprintf(&out, "[exit %d]\n", code)
	}
	return out.String()
}

// words splits a command line; single quotes keep spaces.
func words(command string) []string {
	var all []string
	quoted, begun := false, false
	word := ""
	for _, r := range command + " " {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				all = append(all, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(r), true
		}
	}
	return all
}

// difference shows where two texts part.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("line %d:\nwant %s\ngot  %s", i+1, strings.Join(a[i:min(len(a), i+5)], "\n     "), strings.Join(b[i:min(len(b), i+5)], "\n     "))
}
