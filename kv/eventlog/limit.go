package eventlog

import (
	"log/slog"
	"sync"
	"time"
)

const (
	limitWindow = time.Second // a line that repeats is written once in this time
	limitLines  = 256         // different lines remembered; beyond, lines pass unlimited
)

// limiter holds back lines that repeat. It has no goroutine: lines held back
// last are let out when any other line passes later, with the time they were
// logged at. If no line ever follows, a window's repeats stay unreported.
type limiter struct {
	now func() time.Time

	mu    sync.Mutex
	seen  map[limitKey]*limited
	swept time.Time // when lines that are due were last looked for
}

type limitKey struct {
	level     slog.Level
	msg, peer string
}

// limited is a line that was written lately.
type limited struct {
	written time.Time
	held    int // lines held back since
	last    due // the latest of them
}

// due is a record together with the handler of the logger it came by: loggers
// that share a limiter may have different ones.
type due struct {
	handler slog.Handler
	record  slog.Record
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, seen: make(map[limitKey]*limited)}
}

// limit returns what to write when d is logged: d itself unless it repeats too
// soon, and before it what was held back and is due.
func (l *limiter) limit(d due, peer string) []due {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := d.record.Time
	key := limitKey{d.record.Level, d.record.Message, peer}
	e := l.seen[key]
	if e != nil && within(e.written, now) {
		e.held++
		e.last = d
		return l.sweep(now)
	}
	if e != nil {
		if e.held > 0 {
			d.record.AddAttrs(slog.Int("repeated", e.held))
		}
		*e = limited{written: now}
		return append(l.sweep(now), d)
	}
	out := l.sweep(now)
	if len(l.seen) < limitLines {
		l.seen[key] = &limited{written: now}
	}
	return append(out, d)
}

// expired returns what was held back and is due.
func (l *limiter) expired(now time.Time) []due {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sweep(now)
}

// sweep forgets lines that were written longer than a window ago. Of those held
// back since it returns the last. At most once a window: it looks at every line.
func (l *limiter) sweep(now time.Time) []due {
	if within(l.swept, now) {
		return nil
	}
	l.swept = now
	var out []due
	for key, e := range l.seen {
		if within(e.written, now) {
			continue
		}
		if e.held == 0 {
			delete(l.seen, key)
			continue
		}
		if e.held > 1 {
			e.last.record.AddAttrs(slog.Int("repeated", e.held-1))
		}
		out = append(out, e.last)
		*e = limited{written: now} // the line's next repeat waits its turn
	}
	return out
}

// within reports whether now is in the window that began at start. A clock set
// back ends the window, so that it cannot silence a line for long.
func within(start, now time.Time) bool {
	d := now.Sub(start)
	return d >= 0 && d < limitWindow
}
