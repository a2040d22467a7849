package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"
)

// Event is a line of the log, read back.
type Event struct {
	Time     time.Time // UTC
	Level    slog.Level
	Node     string
	Topic    string
	HasGroup bool   // group 0 exists (the controller's), so Group cannot tell
	Group    uint64 // 0 if absent
	Term     uint64 // 0 if absent; raft's first term is 1
	Index    uint64 // 0 if absent; raft's first index is 1
	Msg      string

	// Attrs holds the other attributes: string, bool, nil, int64, uint64 (only
	// above the largest int64) or float64. Lines of this package hold no others;
	// arrays and objects of foreign lines are kept as []any and map[string]any.
	// It is nil if there are none.
	Attrs map[string]any
}

// Parse decodes a line, with or without its newline. It fails on anything that
// is not one whole JSON object with a valid time and level, such as the torn
// last line of a crashed node: readers should count and skip such lines. The
// event does not share memory with line.
func Parse(line []byte) (Event, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber() // 64-bit indexes do not fit into a float64
	var all map[string]any
	if err := dec.Decode(&all); err != nil {
		return Event{}, fmt.Errorf("parse log line: %w", err)
	}
	if all == nil {
		return Event{}, errors.New("parse log line: not an object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errors.New("parse log line: more text after the object")
	}

	p := fieldReader{all: all}
	ev := Event{
		Time:  p.time("t"),
		Level: p.level("level"),
		Node:  p.string("node"),
		Topic: p.string(KeyTopic),
		Term:  p.uint(KeyTerm),
		Index: p.uint(KeyIndex),
		Msg:   p.string("msg"),
	}
	_, ev.HasGroup = all[KeyGroup]
	ev.Group = p.uint(KeyGroup)
	if p.err != nil {
		return Event{}, fmt.Errorf("parse log line: %w", p.err)
	}
	if len(all) > 0 {
		for k, v := range all {
			all[k] = plain(v)
		}
		ev.Attrs = all
	}
	return ev, nil
}

// ReadFile returns the events of a file that nobody writes any more, as a closed
// Log or Tracer leaves it. It fails on a line that Parse does not take, so it is not
// for the files of nodes that crashed.
func ReadFile(path string) ([]Event, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []Event
	for line := range bytes.Lines(text) {
		ev, err := Parse(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, ev)
	}
	return out, nil
}

// fieldReader takes fields out of a decoded object and keeps the first error.
type fieldReader struct {
	all map[string]any
	err error
}

func (p *fieldReader) fail(name string, v any) {
	if p.err == nil {
		p.err = fmt.Errorf("field %q has an unusable value %v", name, v)
	}
}

func (p *fieldReader) string(name string) string {
	v, there := p.all[name]
	delete(p.all, name)
	s, ok := v.(string)
	if there && !ok {
		p.fail(name, v)
	}
	return s
}

func (p *fieldReader) time(name string) time.Time {
	s := p.string(name)
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		p.fail(name, s)
	}
	return at.UTC()
}

func (p *fieldReader) level(name string) slog.Level {
	switch s := p.string(name); s {
	case "trace":
		return levelTrace
	case "debug":
		return slog.LevelDebug
	case "info":
		return slog.LevelInfo
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		p.fail(name, s)
		return 0
	}
}

func (p *fieldReader) uint(name string) uint64 {
	v, there := p.all[name]
	if !there {
		return 0
	}
	delete(p.all, name)
	if n, ok := v.(json.Number); ok {
		if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
			return u
		}
	}
	p.fail(name, v)
	return 0
}

// plain replaces json.Number, which callers would have to know about, by Go's
// own numbers.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return u
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String() // beyond a float64
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
