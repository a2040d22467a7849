package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inMemory runs a log of node n1 at level debug that writes to out.
func inMemory(out *bytes.Buffer) *Log {
	return start(Options{Node: "n1", Level: slog.LevelDebug, Queue: 64}, out, nil)
}

// logged returns the lines that use writes, without their newlines.
func logged(t *testing.T, use func(*slog.Logger)) []string {
	t.Helper()
	var out bytes.Buffer
	l := inMemory(&out)
	use(l.Logger())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func mustParse(t *testing.T, line string) Event {
	t.Helper()
	ev, err := Parse([]byte(line))
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return ev
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestOrderOfFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock starts at a known time
		got := logged(t, func(log *slog.Logger) {
			time.Sleep(42) // the bubble's clock: nanoseconds are shown, trailing zeros too
			log.With("first", 1, KeyGroup, 0).Warn("took long",
				"took", 1500*time.Millisecond, KeyIndex, uint64(1)<<63, "err", errors.New("disk\nfull"),
				KeyTerm, int32(7), KeyTopic, TopicStore, "key", []byte("a\"b"), "ok", true)
			log.Info("plain")
		})
		want := []string{
			`{"t":"2000-01-01T00:00:00.000000042Z","level":"warn","node":"n1","topic":"store","group":0,"term":7,` +
				`"index":9223372036854775808,"msg":"took long","first":1,"took":"1.5s","err":"disk\nfull","key":"a\"b","ok":true}`,
			`{"t":"2000-01-01T00:00:00.000000042Z","level":"info","node":"n1","topic":"node","msg":"plain"}`,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

type named uint32

type state int

func (state) String() string { return "Leader" }

type lazy struct{}

func (lazy) LogValue() slog.Value {
	return slog.GroupValue(slog.String("a", "1"), slog.Group("in", "b", 2))
}

type panics struct{}

func (*panics) Error() string { panic("no error") }

// attrs returns what stands behind the message.
func attrs(t *testing.T, use func(*slog.Logger)) string {
	t.Helper()
	lines := logged(t, use)
	if len(lines) != 1 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	_, after, ok := strings.Cut(lines[0], `"msg":"m"`)
	if !ok || !json.Valid([]byte(lines[0])) {
		t.Fatalf("not a line: %s", lines[0])
	}
	return strings.TrimPrefix(strings.TrimSuffix(after, "}"), ",")
}

func TestAttributes(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		args []any
		want string
	}{
		"numbers":         {[]any{"i", -1, "u", uint64(1) << 63, "f", 0.5, "n", named(3)}, `"i":-1,"u":9223372036854775808,"f":0.5,"n":3`},
		"not a number":    {[]any{"f", 0.0 / zero()}, `"f":"NaN"`},
		"nil":             {[]any{"x", nil, "err", error(nil)}, `"x":null,"err":null`},
		"duration, time":  {[]any{"d", time.Millisecond, "at", at}, `"d":"1ms","at":"2024-05-06T06:08:09.00000001Z"`},
		"stringer":        {[]any{"s", state(2)}, `"s":"Leader"`},
		"bytes, raw JSON": {[]any{"b", []byte("x\xff"), "r", json.RawMessage(`{}`)}, `"b":"x\\xff","r":"{}"`},
		"composite":       {[]any{"l", []string{"a", "b"}, "s", struct{ A int }{1}}, `"l":"[a b]","s":"{A:1}"`},
		"nested groups":   {[]any{slog.Group("g", "a", 1, slog.Group("h", "b", 2)), "v", lazy{}}, `"g.a":1,"g.h.b":2,"v.a":"1","v.in.b":2`},
		"empty":           {[]any{slog.Attr{}, slog.Group("g")}, ``},
		"names of fields": {[]any{"node", "x", "t", 1, "level", 2, "msg", "y", "group", "G", "term", -1}, `"attr.node":"x","attr.t":1,"attr.level":2,"attr.msg":"y","attr.group":"G","attr.term":-1`},
		"field in group":  {[]any{slog.Group("g", "term", 1)}, `"g.term":1`},
		"panic":           {[]any{"p", &panics{}, "q", (*panics)(nil)}, `"p":"!PANIC: no error","q":"<nil>"`},
		"terminal codes":  {[]any{"k", "\x1b[31m\x7f\u009b"}, `"k":"\u001b[31m\u007f\u009b"`},
		"letters":         {[]any{"k", "żółć €\u2028<&>"}, "\"k\":\"żółć €\u2028<&>\""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := attrs(t, func(log *slog.Logger) { log.Info("m", c.args...) }); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func zero() float64 { return 0 }

func TestWithGroupPrefixesOnlyWhatFollows(t *testing.T) {
	got := attrs(t, func(log *slog.Logger) {
		log.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").WithGroup("").Info("m", "c", 3)
	})
	if want := `"a":1,"g.b":2,"g.h.c":3`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDerivedLoggersDoNotShareAttributes(t *testing.T) {
	lines := logged(t, func(log *slog.Logger) {
		base := log.With("base", 1)
		a, b := base.With("a", 1), base.With("b", 2)
		a.Info("m")
		b.Info("m")
		base.Info("m")
	})
	for i, want := range []string{`"base":1,"a":1}`, `"base":1,"b":2}`, `"base":1}`} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %s does not end in %s", lines[i], want)
		}
	}
}

func TestLongStringsAreCut(t *testing.T) {
	long := strings.Repeat("x", maxString-1) + "€" + strings.Repeat("y", maxString)
	lines := logged(t, func(log *slog.Logger) { log.Info(long, "s", long, "b", []byte(long)) })
	ev := mustParse(t, lines[0])
	want := strings.Repeat("x", maxString-1) + fmt.Sprintf("...(%d bytes more)", maxString+3)
	if ev.Msg != want || ev.Attrs["s"] != want || ev.Attrs["b"] != want {
		t.Errorf("ends: msg %q, s %q, b %q", tail(ev.Msg), tail(ev.Attrs["s"]), tail(ev.Attrs["b"]))
	}
}

func tail(v any) string {
	s := fmt.Sprint(v)
	return s[max(0, len(s)-40):]
}

func TestLevels(t *testing.T) {
	var out bytes.Buffer
	l := start(Options{Node: "n1", Level: slog.LevelWarn, Queue: 8}, &out, nil)
	l.Logger().Info("no")
	l.Logger().Warn("yes")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, `"no"`) || !strings.Contains(got, `"yes"`) {
		t.Errorf("at level warn: %s", got)
	}
	for level, want := range map[slog.Level]string{-8: "debug", -4: "debug", -1: "debug", 0: "info", 3: "info", 4: "warn", 8: "error", 12: "error"} {
		if got := levelName(level); got != want {
			t.Errorf("level %d is %s, want %s", level, got, want)
		}
	}
}

func TestCopyForPeople(t *testing.T) {
	var file, people bytes.Buffer
	l := start(Options{Node: "n1", Queue: 8, Also: &people}, &file, nil)
	l.Logger().With("who", "a b").Error("vote\nrefused", KeyTopic, TopicElection, KeyTerm, 7, KeyGroup, 1, "from", "n2", "esc", "\x1b")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(people.String(), " ")
	want := `ERROR n1 election: "vote\nrefused" group=1 term=7 who="a b" from=n2 esc="\x1b"` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if mustParse(t, file.String()).Msg != "vote\nrefused" {
		t.Errorf("the file lacks the line: %s", file.String())
	}
}

func TestOpenAppendsAndCreatesFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "node.jsonl")
	for i := range 2 {
		l, err := Open(Options{Path: path, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		l.Logger().Info("start", "run", i)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	}
	lines := readLines(t, path)
	if len(lines) != 2 || mustParse(t, lines[0]).Attrs["run"] != int64(0) || mustParse(t, lines[1]).Attrs["run"] != int64(1) {
		t.Errorf("lines: %q", lines)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, opts := range map[string]Options{
		"no path":       {Node: "n1"},
		"no node":       {Path: filepath.Join(dir, "a")},
		"negative size": {Path: filepath.Join(dir, "a"), Node: "n1", MaxBytes: -1},
		"a folder":      {Path: dir, Node: "n1"},
	} {
		if l, err := Open(opts); err == nil {
			t.Errorf("%s: opened", name)
			l.Close()
		}
	}
}
