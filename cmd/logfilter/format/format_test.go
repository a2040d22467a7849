package format

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/kv/eventlog"
)

func parse(t *testing.T, line string) (event.Event, Parser) {
	t.Helper()
	p := Detect([]byte(line+"\n"), Options{})
	e := event.Event{Raw: []byte(line), Node: "file"}
	if !p.Parse(e.Raw, &e) {
		Text(e.Raw, &e)
	}
	return e, p
}

func attrs(e event.Event) string {
	s := ""
	e.Attrs(func(name string, v event.Value) bool {
		s += name + "=" + v.Text + ";"
		return true
	})
	return s
}

func at(text string) int64 {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

func num(n uint64) event.Number { return event.Number{Value: n, Set: true} }

func TestLines(t *testing.T) {
	local := func(text string) int64 {
		at, err := time.ParseInLocation("2006-01-02 15:04:05.999999999", text, time.Local)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixNano()
	}
	for _, test := range []struct {
		line, format string
		want         event.Event
		attrs        string
	}{
		{`{"t":"2024-05-06T07:08:09.000000010Z","level":"warn","node":"n1","topic":"commit","group":0,"term":7,"index":9,"msg":"a \"b\"","took":"1ms","ok":true}`, "json",
			event.Event{Time: at("2024-05-06T07:08:09.00000001Z"), HasTime: true, Level: event.Warn, Node: "n1", Topic: "commit", Group: num(0), Term: num(7), Index: num(9), Msg: `a "b"`}, "took=1ms;ok=true;"},
		{`{"ts":1714979289.5,"lvl":"ERROR","message":"x","server":3,"term":"12","extra":{"a":[1,"}"]}}`, "json",
			event.Event{Time: 1714979289500000000, HasTime: true, Level: event.Error, Node: "3", Term: num(12), Msg: "x"}, `extra={"a":[1,"}"]};`},
		{`{ "time" : "2024-05-06T09:08:09+02:00" , "level" : 40, "msg" : "pino" , "term": "many"}`, "json",
			event.Event{Time: at("2024-05-06T07:08:09Z"), HasTime: true, Level: event.Warn, Node: "file", Msg: "pino"}, "term=many;"},
		{`time=2024-05-06T07:08:09.123Z level=INFO msg="became leader" node=n2 term=4 peer="a b" empty=`, "logfmt",
			event.Event{Time: at("2024-05-06T07:08:09.123Z"), HasTime: true, Level: event.Info, Node: "n2", Term: num(4), Msg: "became leader"}, "peer=a b;empty=;"},
		{`2024-05-06T07:08:09.010Z [WARN]  raft: heartbeat timeout reached, starting election: last-leader-id=n2 term=7`, "plain",
			event.Event{Time: at("2024-05-06T07:08:09.01Z"), HasTime: true, Level: event.Warn, Node: "file", Topic: "election", Term: num(7), Msg: "heartbeat timeout reached, starting election"}, "last-leader-id=n2;"},
		{`2024-05-06T07:08:09.010+0200 [INFO]  agent: Synced node info`, "plain",
			event.Event{Time: at("2024-05-06T05:08:09.01Z"), HasTime: true, Level: event.Info, Node: "file", Topic: "agent", Msg: "Synced node info"}, ""},
		{`2024/05/06 07:08:09.123456 [1] became candidate`, "plain",
			event.Event{Time: local("2024-05-06 07:08:09.123456"), HasTime: true, Node: "S1", Msg: "became candidate"}, ""},
		{`2024-05-06 07:08:09,123 ERROR lost quorum`, "plain",
			event.Event{Time: local("2024-05-06 07:08:09.123"), HasTime: true, Level: event.Error, Node: "file", Msg: "lost quorum"}, ""},
		{`000123 VOTE S1 T3 -> S2 asking for a vote`, "course",
			event.Event{Time: 12_300_000, HasTime: true, Topic: "VOTE", Node: "S1", Term: num(3), Msg: "T3 -> S2 asking for a vote"}, ""},
		{`008258 ERRO S0 lost (T:2)`, "course",
			event.Event{Time: 825_800_000, HasTime: true, Level: event.Error, Topic: "ERRO", Node: "S0", Term: num(2), Msg: "lost (T:2)"}, ""},
		{`[2] election timeout, T4`, "course", event.Event{Node: "S2", Term: num(4), Msg: "election timeout, T4"}, ""},
		{`panic: runtime error`, "plain", event.Event{Node: "file", Msg: "panic: runtime error"}, ""},
		{`{"t":"2024-05-06T07:08:09Z","msg":"torn`, "plain", event.Event{Node: "file", Msg: `{"t":"2024-05-06T07:08:09Z","msg":"torn`}, ""},
	} {
		got, p := parse(t, test.line)
		if p.Name() != test.format {
			t.Errorf("%s\n is %s, want %s", test.line, p.Name(), test.format)
		}
		if s := attrs(got); s != test.attrs {
			t.Errorf("%s\n has attributes %s, want %s", test.line, s, test.attrs)
		}
		if ns, ok := p.Time([]byte(test.line)); ok != got.HasTime && got.Rest != nil || got.HasTime && ns != got.Time {
			t.Errorf("%s\n Time says %d %v, Parse %d %v", test.line, ns, ok, got.Time, got.HasTime)
		}
		got.Raw, got.Rest = nil, nil
		if !same(got, test.want) {
			t.Errorf("%s\n is %+v\nwant %+v", test.line, got, test.want)
		}
	}
}

func same(a, b event.Event) bool {
	return a.Time == b.Time && a.HasTime == b.HasTime && a.Level == b.Level && a.Node == b.Node && a.Topic == b.Topic &&
		a.Group == b.Group && a.Term == b.Term && a.Index == b.Index && a.Msg == b.Msg
}

func TestNamesByFlag(t *testing.T) {
	line := []byte(`{"when":"2024-05-06T07:08:09Z","pod":"raft-0","node":"machine"}`)
	p := Detect(line, Options{Names: map[string]string{"node": "pod", "time": "when"}})
	var e event.Event
	if !p.Parse(line, &e) || e.Node != "raft-0" || !e.HasTime || attrs(event.Event{Raw: line, Rest: p}) != "node=machine;" {
		t.Errorf("%+v", e)
	}
}

func TestPattern(t *testing.T) {
	o := Options{Pattern: `^(?P<time>\S+ \S+) (?P<node>\w+)/(?P<group>\d+) (?P<who>\w+) (?P<msg>.*)$`, Layout: "02.01.2006 15:04:05.000"}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	line := []byte(`06.05.2024 07:08:09.500 n3/2 bob voted`)
	p := Detect(nil, o)
	e := event.Event{Raw: line}
	want := time.Date(2024, 5, 6, 7, 8, 9, 5e8, time.Local).UnixNano()
	if !p.Parse(line, &e) || e.Time != want || e.Node != "n3" || e.Group != num(2) || e.Msg != "voted" || attrs(e) != "who=bob;" {
		t.Errorf("%+v %s", e, attrs(e))
	}
	if p.Parse([]byte("nothing of this kind"), &e) {
		t.Error("a line that does not match fits")
	}
	for _, bad := range []Options{{Pattern: "("}, {Pattern: "x"}, {Format: "xml"}, {Names: map[string]string{"nod": "x"}}} {
		if bad.Check() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// TestJSONAgreesWithEventlog: what the log's own parser says of its lines, this
// one says too.
func TestJSONAgreesWithEventlog(t *testing.T) {
	line := []byte(`{"t":"2024-05-06T07:08:09.000000010Z","level":"info","node":"n\u00e91","topic":"commit","group":18446744073709551600,"term":7,"msg":"tab\tquote\"","k":-1.5,"s":"\\x00","term":8}`)
	want, err := eventlog.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := parse(t, string(line))
	if got.Time != want.Time.UnixNano() || got.Node != want.Node || got.Topic != want.Topic || got.Group.Value != want.Group ||
		got.Term.Value != want.Term || got.Msg != want.Msg || attrs(got) != `k=-1.5;s=\x00;` {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func fuzzSeeds(f *testing.F) {
	for _, seed := range []string{
		`{"t":"2024-05-06T07:08:09.000000010Z","level":"info","node":"n1","group":1,"msg":"x","a":[{}],"b":"\""}`,
		`{"a":{"b":[1,2,{"c":"]"}]},"t":17}`, `{}`, `{"a"`, `{"a":1}}`, `{"a":1,}`,
		`time=2024-05-06T07:08:09Z level=info msg="x \" y" k=v`, `a= b`, `a="`,
		`2024-05-06T07:08:09.010Z [WARN]  raft: x: k=v l="m n"`, `2024/05/06 07:08:09 [1] x`, `2024-05-06 07:08:09,5+01:00`,
		`000123 VOTE S1 T3 -> x`, `[3] y`, `[`, `S`, `=`, ``, "\x00\xff",
	} {
		f.Add([]byte(seed))
	}
}

// FuzzParsers: no parser crashes on any line, changes it, or reports a fit with
// nothing to show; one that does not fit leaves the event alone; and both ways to
// a time agree.
func FuzzParsers(f *testing.F) {
	fuzzSeeds(f)
	pattern, err := NewPattern(`^(?P<time>\S+) (?P<node>\w*) (?P<msg>.*)`, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		before := bytes.Clone(line)
		all := []Parser{&JSON{resolve(nil, none)}, &Logfmt{resolve(nil, none)}, &Plain{resolve(nil, none)}, Course{}.pointer(), pattern, Detect(line, Options{})}
		for _, p := range all {
			e := event.Event{Raw: line, Node: "n", Time: -1}
			if !p.Parse(line, &e) {
				if !same(e, event.Event{Node: "n", Time: -1}) || e.Rest != nil {
					t.Errorf("%s: no fit, but the event was changed to %+v", p.Name(), e)
				}
				continue
			}
			if e.Rest == nil {
				t.Errorf("%s fits and does not say how to read the rest", p.Name())
			}
			for _, early := range []bool{false, true} {
				e.Attrs(func(string, event.Value) bool { return !early })
			}
			if ns, ok := p.Time(line); e.HasTime && p.Name() != "json" && p.Name() != "logfmt" && (!ok || ns != e.Time) {
				t.Errorf("%s: Time says %d %v, Parse %d", p.Name(), ns, ok, e.Time)
			}
		}
		if !bytes.Equal(line, before) {
			t.Error("the line was changed")
		}
	})
}

func none(string) bool { return false }

func (c Course) pointer() *Course { return &c }

// FuzzJSON: every object that encoding/json reads, the scanner reads too, with
// the same keys and texts.
func FuzzJSON(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		var want map[string]any
		if json.Unmarshal(line, &want) != nil || want == nil || deep(line) {
			return
		}
		p := &JSON{resolve(map[string]string{"time": "\x00", "level": "\x01", "node": "\x02", "topic": "\x03", "group": "\x04", "term": "\x05", "index": "\x06", "msg": "\x07"}, none)}
		var e event.Event
		if !p.Parse(line, &e) {
			t.Fatalf("%q does not fit", line)
		}
		got := make(map[string]event.Value)
		p.Attrs(line, func(name string, v event.Value) bool {
			got[name] = v
			return true
		})
		for key, v := range want {
			if len(key) == 1 && key[0] < 8 {
				continue
			}
			found, there := got[key]
			if s, isText := v.(string); !there || isText && bytes.IndexByte(line, 0xff) < 0 && found.Text != s && validText(line) {
				t.Errorf("%q: %q is %+v, want %v", line, key, found, v)
			}
		}
	})
}

// deep reports whether brackets are nested deeper than lines of logs are read.
func deep(line []byte) bool {
	return bytes.Count(line, []byte("["))+bytes.Count(line, []byte("{")) > 60
}

// validText: encoding/json replaces what is not UTF-8, the filter shows it.
func validText(line []byte) bool { return bytes.Equal(line, bytes.ToValidUTF8(line, nil)) }
