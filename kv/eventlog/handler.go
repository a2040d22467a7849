package eventlog

import (
	"context"
	"log/slog"
	"time"
)

var _ slog.Handler = (*handler)(nil)

// handler is the slog end of a Log. It is immutable: With and WithGroup make
// copies that share the Log.
type handler struct {
	log    *Log
	node   string
	level  slog.Level
	prefix string // names of the open groups, each followed by a dot
	base   fields // attributes given by With, already formatted
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level
}

// WithAttrs implements slog.Handler. The attributes are formatted once, here.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	e := newEncoder(h.base, h.log.also != nil)
	defer e.free()
	for _, a := range attrs {
		e.add(h.prefix, a)
	}
	c := *h
	c.base = e.fields.clone()
	return &c
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// Handle implements slog.Handler. It never blocks and never fails: a line that
// finds no place in the queue is counted in Dropped.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	also := h.log.also
	e := newEncoder(h.base, also != nil)
	defer e.free()
	r.Attrs(func(a slog.Attr) bool {
		e.add(h.prefix, a)
		return true
	})

	l := newLine()
	l.b = e.appendJSON(l.b, at, r.Level, h.node, r.Message)
	h.log.file.put(l)
	if also != nil {
		l := newLine()
		l.b = e.appendText(l.b, at, r.Level, h.node, r.Message)
		also.put(l)
	}
	return nil
}
