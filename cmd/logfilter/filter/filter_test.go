package filter

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
)

// drawLine makes lines that look alike, with all that JSON permits: spaces,
// escapes, keys that come twice or inside of others, and lines that are no JSON.
func drawLine(t *rapid.T) string {
	var parts []string
	space := rapid.SampledFrom([]string{"", "", " ", "\t"})
	for range rapid.IntRange(0, 5).Draw(t, "fields") {
		key := rapid.SampledFrom([]string{"node", "group", "term", "level", "topic", "msg", "key", "keys", "took", `gr\u006fup`, `"`}).Draw(t, "key")
		value := rapid.SampledFrom([]string{
			`1`, `2`, `3`, `30`, `"3"`, `2.0`, `"n1"`, `"n2"`, `"n\u0031"`, `"warn"`, `"ERROR"`, `"info"`, `40`, `"vote"`, `"VOTE"`,
			`"a timeout"`, `"user:7"`, `"user:7,user:8"`, `"u\u0073er:7"`, `["user:7","x"]`, `{"group":3,"node":"n1"}`, `"2ms"`, `null`, `true`, `"\"group\":3"`, `""`,
		}).Draw(t, "value")
		parts = append(parts, space.Draw(t, "s")+`"`+key+`"`+space.Draw(t, "s")+":"+space.Draw(t, "s")+value+space.Draw(t, "s"))
	}
	line := "{" + strings.Join(parts, ",") + "}"
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return line[:len(line)-1] // torn
	case 1:
		return rapid.SampledFrom([]string{"", "panic: timeout user:7", `"group":3`, "a timeout"}).Draw(t, "text")
	}
	return line
}

func drawFilter(t *rapid.T) *Filter {
	f := &Filter{}
	conds := []func() Cond{
		func() Cond { return Nodes([]string{"n1"}) },
		func() Cond { return Nodes([]string{"file", "n2"}) },
		func() Cond { return Topics([]string{"vote"}) },
		func() Cond { return AtLeast(event.Warn) },
		func() Cond { return Numbers("group", []Range{{3, 3}}, Group) },
		func() Cond { return Numbers("term", []Range{{2, 1<<64 - 1}}, Term) },
		func() Cond { return Attribute("user:7", "key", "keys") },
		func() Cond { return Attribute("user:7", "session") },
		func() Cond { c, _ := Grep("time", false); return c },
		func() Cond { c, _ := Grep("us.r", false); return c },
		func() Cond { c, _ := Grep("n1", true); return c },
	}
	for range rapid.IntRange(0, 3).Draw(t, "conds") {
		f.Conds = append(f.Conds, rapid.SampledFrom(conds).Draw(t, "cond")())
	}
	queries := []string{
		"", `group == 3`, `term > 2`, `level >= "warn"`, `msg == "a timeout"`, `msg contains "time" and group >= 2`, `node == "n1"`, `key startsWith "user"`,
		`level >= "warn" and (term > 4 or msg contains "timeout")`, `took <= 2`, `took < "3ms"`, `keys != nil`, `not (group == 3)`, `group in [2, 3]`, `topic == "vote" or group == 1`, `group <= 2`,
		`key == 3`, `key == 2`, `"n1" == node`,
	}
	if text := rapid.SampledFrom(queries).Draw(t, "query"); text != "" {
		q, err := NewQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		f.Query = q
	}
	return f
}

// TestHintsRefuseNothing: what is found by searching bytes first is what is found
// by parsing every line.
func TestHintsRefuseNothing(t *testing.T) {
	kept, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			lines = append(lines, drawLine(t))
		}
		chunk := []byte(strings.Join(lines, "\n"))
		if rapid.Bool().Draw(t, "whole") {
			chunk = append(chunk, '\n')
		}
		f := drawFilter(t)
		node := rapid.SampledFrom([]string{"n1", "file"}).Draw(t, "node")
		l := f.For(format.Detect([]byte(`{"t":1}`), format.Options{}), node, chunk)
		find := func(each func([]byte, func(int, int))) (found []string) {
			m := f.Query.NewMachine()
			each(chunk, func(start, end int) {
				var e event.Event
				l.Parse(chunk[start:end], &e)
				if l.Keep(&e, m) {
					found = append(found, fmt.Sprint(start, " ", string(e.Raw)))
				}
			})
			return found
		}
		got, want := find(l.Each), find(All)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("searched: %q\nparsed:   %q", got, want)
		}
		kept += len(want)
		refused += len(lines) - len(want)
	})
	if kept == 0 || refused == 0 {
		t.Errorf("%d lines were kept, %d refused: this tests nothing", kept, refused)
	}
}

func TestQuery(t *testing.T) {
	line := `{"t":"2024-05-06T07:08:09Z","level":"warn","node":"n1","topic":"vote","group":0,"term":5,"msg":"a timeout","took":"1.5ms","peer":"n2","ok":true,"n":7,"f":1.5}`
	for query, want := range map[string]bool{
		`level >= "warn"`: true, `level > "warn"`: false, `level == "warning"`: true, `"info" < level`: true, `level in ["warn","error"]`: true,
		`term > 4 or msg contains "x"`: true, `index > 4 or msg contains "timeout"`: true, `index > 4`: false, `not (index > 4)`: true, `index == nil`: true, `group == 0`: true,
		`took > "900us"`: true, `took > "2ms"`: false, `peer == "n2" and ok`: true, `n == 7 and f < 2`: true, `n in [1, 7]`: true, `n not in [1, 7]`: false,
		`msg matches "^a t"`: true, `raw contains "peer"`: true, `time >= "2024-05-06"`: true, `len(msg) > 3`: true, `len(index) > 3`: false, `nothing`: false,
		`level >= "warn" and (term > 4 or msg contains "timeout")`: true, `topic startsWith "vo" && !(node endsWith "2")`: true, `peer != "n2"`: false, `lost != "x"`: true,
	} {
		q, err := NewQuery(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var f Filter
		f.Query = q
		l := f.For(format.Detect([]byte(line), format.Options{}), "file", nil)
		var e event.Event
		l.Parse([]byte(line), &e)
		if got := l.Keep(&e, q.NewMachine()); got != want {
			t.Errorf("%s is %v", query, got)
		}
	}
	for _, bad := range []string{"", "level >=", "1 +", `msg contains`, "f("} {
		if _, err := NewQuery(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestUnknownFields(t *testing.T) {
	q, err := NewQuery(`levle >= "warn" and peer == "n2" and whatever == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Unknown([]string{"peer"}); err == nil || !strings.Contains(err.Error(), `did you mean level?`) {
		t.Errorf("%v", err)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"election", "leadership", "snapshot", "session", "log"}
	for word, want := range map[string]string{"elektion": "election", "snap": "snapshot", "sesion": "session", "leadreship": "leadership", "xyzzy": "", "l0g": "log"} {
		if got := strings.Join(Nearest(word, known), ","); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]Range{"5": {5, 5}, "5..": {5, 1<<64 - 1}, "..9": {0, 9}, "5..9": {5, 9}} {
		if got, err := ParseRange(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "..", "x", "9..5", "-1", "1..2..3"} {
		if _, err := ParseRange(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
