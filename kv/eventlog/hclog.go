package eventlog

import (
	"context"
	"io"
	"log"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// levelTrace is hclog's trace on slog's scale; in a line it reads "debug".
const levelTrace = slog.LevelDebug - 4

var _ hclog.Logger = (*hclogLogger)(nil)

// hclogLogger writes lines of hashicorp's libraries to a slog.Logger. It is
// immutable but for what derived loggers share: level and limiter.
type hclogLogger struct {
	handler slog.Handler
	topic   string // for messages whose topic is not obvious
	name    string
	implied []any // given by With: keys and values by turns

	own     *atomic.Int32 // the hclog.Level set by SetLevel
	limiter *limiter
}

// Hclog returns an hclog.Logger, as raft and raft-wal want it, that writes to
// logger. A line's topic follows from raft's message where that is obvious and
// is topic otherwise. Give logger the attributes that raft does not know, as in
// Hclog(logger.With(KeyGroup, id), TopicReplication).
//
// Raft repeats itself many times a second when a peer is down. Lines at warn or
// error with the same message about the same peer are written once a second;
// "repeated" in a line says how many like it were left out before it. The limit
// is shared by all loggers derived from the returned one, and by no others.
//
// The returned logger is safe for concurrent use, and never blocks if logger
// does not. SetLevel can only make it quieter than logger.
func Hclog(logger *slog.Logger, topic string) hclog.Logger {
	return newHclog(logger, topic, time.Now)
}

func newHclog(logger *slog.Logger, topic string, now func() time.Time) *hclogLogger {
	return &hclogLogger{
		handler: logger.Handler(),
		topic:   topic,
		own:     new(atomic.Int32),
		limiter: newLimiter(now),
	}
}

// Log implements hclog.Logger.
func (l *hclogLogger) Log(level hclog.Level, msg string, args ...any) {
	if !l.enabled(level) {
		return
	}
	now := l.limiter.now()
	r := slog.NewRecord(now, slogLevel(level), msg, 0)
	r.AddAttrs(slog.String(KeyTopic, TopicOf(msg, l.topic)))
	if l.name != "" {
		r.AddAttrs(slog.String("logger", l.name))
	}
	attrs, peer := hclogAttrs(slices.Concat(l.implied, evenArgs(args)))
	r.AddAttrs(attrs...)

	var out []due
	if r.Level < slog.LevelWarn {
		out = append(l.limiter.expired(now), due{l.handler, r})
	} else {
		out = l.limiter.limit(due{l.handler, r}, peer)
	}
	for _, d := range out {
		// hclog cannot return an error. A Log's handler has none; it counts.
		_ = d.handler.Handle(context.Background(), d.record)
	}
}

// Trace implements hclog.Logger.
func (l *hclogLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }

// Debug implements hclog.Logger.
func (l *hclogLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Info implements hclog.Logger.
func (l *hclogLogger) Info(msg string, args ...any) { l.Log(hclog.Info, msg, args...) }

// Warn implements hclog.Logger.
func (l *hclogLogger) Warn(msg string, args ...any) { l.Log(hclog.Warn, msg, args...) }

// Error implements hclog.Logger.
func (l *hclogLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

// IsTrace implements hclog.Logger.
func (l *hclogLogger) IsTrace() bool { return l.enabled(hclog.Trace) }

// IsDebug implements hclog.Logger.
func (l *hclogLogger) IsDebug() bool { return l.enabled(hclog.Debug) }

// IsInfo implements hclog.Logger.
func (l *hclogLogger) IsInfo() bool { return l.enabled(hclog.Info) }

// IsWarn implements hclog.Logger.
func (l *hclogLogger) IsWarn() bool { return l.enabled(hclog.Warn) }

// IsError implements hclog.Logger.
func (l *hclogLogger) IsError() bool { return l.enabled(hclog.Error) }

func (l *hclogLogger) enabled(level hclog.Level) bool {
	if level == hclog.NoLevel {
		level = hclog.Info
	}
	return level < hclog.Off && level >= hclog.Level(l.own.Load()) &&
		l.handler.Enabled(context.Background(), slogLevel(level))
}

// ImpliedArgs implements hclog.Logger.
func (l *hclogLogger) ImpliedArgs() []any { return l.implied }

// With implements hclog.Logger.
func (l *hclogLogger) With(args ...any) hclog.Logger {
	c := *l
	c.implied = slices.Concat(l.implied, evenArgs(args))
	return &c
}

// Name implements hclog.Logger.
func (l *hclogLogger) Name() string { return l.name }

// Named implements hclog.Logger.
func (l *hclogLogger) Named(name string) hclog.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return l.ResetNamed(name)
}

// ResetNamed implements hclog.Logger.
func (l *hclogLogger) ResetNamed(name string) hclog.Logger {
	c := *l
	c.name = name
	return &c
}

// SetLevel implements hclog.Logger. It acts on all loggers derived from the same
// Hclog, as hclog's own loggers do.
func (l *hclogLogger) SetLevel(level hclog.Level) { l.own.Store(int32(level)) }

// GetLevel implements hclog.Logger: the least severe level that is written.
func (l *hclogLogger) GetLevel() hclog.Level {
	for level := hclog.Trace; level < hclog.Off; level++ {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Off
}

// StandardLogger implements hclog.Logger.
func (l *hclogLogger) StandardLogger(opts *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(opts), "", 0)
}

// StandardWriter implements hclog.Logger. It lets hclog itself tell levels from
// prefixes such as [WARN], through a logger that writes nothing of its own.
func (l *hclogLogger) StandardWriter(opts *hclog.StandardLoggerOptions) io.Writer {
	if opts == nil {
		opts = &hclog.StandardLoggerOptions{}
	}
	through := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	through.RegisterSink(hclogSink{l})
	return through.StandardWriter(opts)
}

type hclogSink struct{ l *hclogLogger }

// Accept implements hclog.SinkAdapter.
func (s hclogSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	s.l.Log(level, msg, args...)
}
