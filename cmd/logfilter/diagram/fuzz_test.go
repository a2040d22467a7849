package diagram

import (
	"bytes"
	"io"
	"math"
	"testing"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
)

// FuzzDiagram draws any logs, in whatever order their lines come: of each line that
// is to stand beside the diagram there is one, and nothing fails.
func FuzzDiagram(f *testing.F) {
	f.Add([]byte(`{"t":"2024-05-06T03:55:42.3Z","level":"info","node":"n1","topic":"leadership","group":1,"term":3,"msg":"entering leader state"}
{"t":"2024-05-06T03:55:42.321405384Z","level":"trace","node":"n1","topic":"replication","group":1,"term":3,"index":9,"msg":"append sent","way":"sent","message":17,"peer":"n2","entries":1}
{"t":"2024-05-06T03:55:42.321942900Z","level":"trace","node":"n2","topic":"replication","group":1,"term":3,"index":9,"msg":"append received","way":"received","message":17,"peer":"n1","entries":1}
{"t":"2024-05-06T03:55:42.32939Z","level":"trace","node":"n2","topic":"replication","group":1,"msg":"append answered","way":"answered","message":17,"peer":"n1","success":false}
{"t":"2024-05-06T03:55:43Z","level":"warn","node":"n1","topic":"fault","msg":"a fault begins","id":"a","fault":"pause n1 for 2s"}
{"t":"2024-05-06T03:55:45Z","level":"warn","node":"n1","topic":"node","msg":"the process did not run","for":"2s"}
{"t":"2024-05-06T03:55:45Z","level":"warn","node":"n1","topic":"fault","msg":"a fault ends","id":"a","fault":"pause n1 for 2s"}
{"t":"2024-05-06T03:55:47Z","level":"info","node":"n1","topic":"node","msg":"starting"}
`))
	f.Add([]byte(`{"t":"2024-05-06T03:55:42Z","level":"trace","node":"","topic":"replication","group":18446744073709551615,"msg":"x received","way":"received","message":1}
{"t":"1970-01-01T00:00:00Z","level":"trace","node":"n1","msg":"x returned","way":"returned","message":1,"error":"</script>"}`))
	// Not raftkv's: a field that is called so too; and a message at the very beginning.
	f.Add([]byte(`{"t":"2024-05-06T03:55:42Z","node":"n1","msg":"x","way":"there","message":1,"peer":"n2"}
{"t":"2024-05-06T03:55:43Z","node":"n1","msg":"y","way":"back","message":2,"peer":"n2"}`))
	f.Add([]byte(`{"t":"1970-01-01T00:00:00Z","node":"n1","msg":"append sent","way":"sent","message":1,"peer":"n2"}
{"t":"1970-01-01T00:00:00Z","node":"n1","msg":"append sent","way":"sent","message":2,"peer":"n2"}`))
	f.Fuzz(func(t *testing.T, log []byte) {
		lines := 0
		c := NewCollector(Options{Since: math.MinInt64, Until: math.MaxInt64, Line: func(*event.Event) bool { lines++; return true }, Text: func(e *event.Event) string { return e.Msg }})
		parser := format.Detect(log, format.Options{})
		for raw := range bytes.Lines(log) {
			e := &event.Event{Raw: bytes.TrimRight(raw, "\r\n")}
			parser.Parse(e.Raw, e)
			c.Event(e)
		}
		d := c.Data()
		if len(d.Lines) != lines {
			t.Errorf("%d lines stand beside the diagram, want %d", len(d.Lines), lines)
		}
		for _, m := range d.Messages {
			if m.From < 0 || m.From >= len(d.Nodes) || m.To < 0 || m.To >= len(d.Nodes) {
				t.Errorf("a message from lane %d to %d of %d", m.From, m.To, len(d.Nodes))
			}
		}
		for _, s := range append(d.Spans, Span{}) {
			if s.Node >= len(d.Nodes) && len(d.Nodes) > 0 {
				t.Errorf("a span on lane %d of %d", s.Node, len(d.Nodes))
			}
		}
		if err := SVG(io.Discard, d, time.UTC); err != nil {
			t.Error(err)
		}
		var page bytes.Buffer
		if err := HTML(&page, d); err != nil {
			t.Error(err)
		}
		if n := bytes.Count(page.Bytes(), []byte("</script>")); n != 2 {
			t.Errorf("%d scripts end in the page, want 2", n)
		}
	})
}
