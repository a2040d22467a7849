package eventlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	got := mustParse(t, `{"t":"2024-05-06T07:08:09.000000010Z","level":"error","node":"n1","topic":"commit","group":0,"term":3,`+
		`"index":18446744073709551615,"msg":"m","i":-9007199254740993,"u":18446744073709551615,"f":0.5,"s":"x","b":true,"z":null,"l":[1],"o":{"a":2}}`+"\n")
	want := Event{
		Time: time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC), Level: slog.LevelError, Node: "n1", Topic: TopicCommit,
		HasGroup: true, Group: 0, Term: 3, Index: 1<<64 - 1, Msg: "m",
		Attrs: map[string]any{
			"i": int64(-9007199254740993), "u": uint64(1<<64 - 1), "f": 0.5, "s": "x", "b": true, "z": nil,
			"l": []any{int64(1)}, "o": map[string]any{"a": int64(2)},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if ev := mustParse(t, `{"t":"2024-05-06T07:08:09Z","level":"info","node":"n1","topic":"node","msg":"m"}`); ev.HasGroup || ev.Attrs != nil {
		t.Errorf("absent fields: %+v", ev)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = `{"t":"2024-05-06T07:08:09Z","level":"info"`
	for name, line := range map[string]string{
		"empty":          "",
		"torn":           head + `,"msg":"a`,
		"no object":      `[1]`,
		"null":           `null`,
		"two objects":    head + `} {}`,
		"no time":        `{"level":"info"}`,
		"bad time":       `{"t":"yesterday","level":"info"}`,
		"no level":       `{"t":"2024-05-06T07:08:09Z"}`,
		"unknown level":  `{"t":"2024-05-06T07:08:09Z","level":"loud"}`,
		"group text":     head + `,"group":"1"}`,
		"negative term":  head + `,"term":-1}`,
		"index fraction": head + `,"index":1.5}`,
		"index too big":  head + `,"index":18446744073709551616}`,
		"msg number":     head + `,"msg":1}`,
		"null node":      head + `,"node":null}`,
	} {
		if ev, err := Parse([]byte(line)); err == nil {
			t.Errorf("%s: parsed as %+v", name, ev)
		} else if !reflect.DeepEqual(ev, Event{}) {
			t.Errorf("%s: an event beside the error: %+v", name, ev)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"t":"2024-05-06T07:08:09.000000010Z","level":"warn","node":"n1","topic":"node","group":1,"term":2,"index":3,"msg":"m","a":[{"b":1e999}]}`))
	f.Add([]byte(`{"t":"9999-12-31T23:59:59-23:59","level":"info"}`))
	f.Add([]byte("null"))
	f.Add([]byte(strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, line []byte) {
		ev, err := Parse(line)
		if err == nil && ev.Time.Location() != time.UTC {
			t.Errorf("time %v is not UTC", ev.Time)
		}
	})
}

// FuzzLineRoundTrip checks that whatever is logged makes one line that parses
// and holds what was logged.
func FuzzLineRoundTrip(f *testing.F) {
	f.Add("msg", "key", "value", []byte("\xff\x00"), uint64(7))
	f.Add("\u2028\"\\\n", "topic", "", []byte(nil), uint64(0))
	f.Add("", "\xdc", "\xa4", []byte("0"), uint64(1)) // invalid apart, valid when joined
	f.Add("", "term", "x\x1b", []byte("€"), uint64(1)<<63)
	f.Fuzz(func(t *testing.T, msg, key, value string, raw []byte, n uint64) {
		var out bytes.Buffer
		l := start(Options{Node: "n\n1", Level: slog.LevelInfo, Queue: 4}, &out, nil)
		l.Logger().WithGroup("g").Info(msg, key, value, "raw", raw, slog.Group("in", key, n))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Fatalf("%d lines: %q", n, out.String())
		}
		ev := mustParse(t, out.String())
		valid := utf8.ValidString(msg) && utf8.ValidString(key) && utf8.ValidString(value)
		if !valid || len(msg)+len(key)+len(value) > maxString {
			return
		}
		if ev.Node != "n\n1" || ev.Msg != msg {
			t.Errorf("node %q, msg %q became %q", ev.Node, msg, ev.Msg)
		}
		if k := "g." + key; k != "g.raw" && key != "" && ev.Attrs[k] != value {
			t.Errorf("%q = %q became %v", k, value, ev.Attrs[k])
		}
	})
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.jsonl")
	line := `{"t":"2024-05-06T07:08:09Z","level":"info","msg":"%s"}` + "\n"
	text := fmt.Sprintf(line+line, "one", "two")
	for _, c := range []struct {
		text string
		want int // events; 0: an error that names the file
	}{{text, 2}, {text + `{"t":`, 0}} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		events, err := ReadFile(path)
		if (err != nil) != (c.want == 0) || len(events) != c.want || err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %d events, %v", c.text, len(events), err)
		}
	}
}
