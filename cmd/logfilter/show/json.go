package show

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
)

var _ View = (*JSON)(nil)

// JSON prints JSON lines: those of the log as they stand there, others in the
// form of raftkv's own.
type JSON struct {
	out *bufio.Writer
	b   []byte
}

// NewJSON returns a view that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{out: newWriter(w)} }

// Event implements View.
func (j *JSON) Event(e *event.Event, _ bool) error {
	b := j.b[:0]
	if _, is := e.Rest.(*format.JSON); is {
		b = append(b, e.Raw...)
	} else {
		b = appendJSON(b, e)
	}
	b = append(b, '\n')
	j.b = b
	_, err := j.out.Write(b)
	return err
}

func appendJSON(b []byte, e *event.Event) []byte {
	b = append(b, `{"t":`...)
	b = appendQuoted(b, time.Unix(0, e.Time).UTC().Format("2006-01-02T15:04:05.000000000Z"))
	for _, part := range [...]struct{ name, text string }{{"level", e.Level.String()}, {"node", e.Node}, {"topic", e.Topic}} {
		if part.text != "" {
			b = append(b, `,"`+part.name+`":`...)
			b = appendQuoted(b, part.text)
		}
	}
	for _, part := range [...]struct {
		name string
		event.Number
	}{{"group", e.Group}, {"term", e.Term}, {"index", e.Index}} {
		if part.Set {
			b = append(b, `,"`+part.name+`":`...)
			b = strconv.AppendUint(b, part.Value, 10)
		}
	}
	b = append(b, `,"msg":`...)
	b = appendQuoted(b, e.Msg)
	e.Attrs(func(name string, v event.Value) bool {
		b = append(b, ',')
		b = appendQuoted(b, name)
		b = append(b, ':')
		if v.Kind != event.String && json.Valid([]byte(v.Text)) {
			b = append(b, v.Text...)
		} else {
			b = appendQuoted(b, v.Text)
		}
		return true
	})
	return append(b, '}')
}

func appendQuoted(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always can be
		return append(b, '"', '"')
	}
	return append(b, quoted...)
}

// Flush implements View.
func (j *JSON) Flush() error { return j.out.Flush() }

// Close implements View.
func (j *JSON) Close() error { return j.out.Flush() }
