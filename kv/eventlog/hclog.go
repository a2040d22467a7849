package eventlog

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Hclog returns a logger for hashicorp's libraries that writes to logger. Lines
// get a topic from what they say, or the given one. Lines that repeat within a
// second are counted, not written: raft reports each failed message to a peer
// that is down.
func Hclog(logger *slog.Logger, topic string) hclog.Logger {
	return &bridge{logger: logger, topic: topic, repeats: &repeats{seen: make(map[string]*repeated)}}
}

type bridge struct {
	logger  *slog.Logger
	topic   string
	name    string
	implied []any
	repeats *repeats
}

var _ hclog.Logger = (*bridge)(nil)

// repeatInterval is how often the same line may be written.
const repeatInterval = time.Second

type repeats struct {
	mu   sync.Mutex
	seen map[string]*repeated
}

type repeated struct {
	at    time.Time
	count int
}

// allow tells whether a line may be written, and how often it was left out.
func (r *repeats) allow(key string, now time.Time) (bool, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) > 1000 {
		clear(r.seen)
	}
	s := r.seen[key]
	if s == nil {
		r.seen[key] = &repeated{at: now}
		return true, 0
	}
	if now.Sub(s.at) < repeatInterval {
		s.count++
		return false, 0
	}
	count := s.count
	s.at, s.count = now, 0
	return true, count
}

// topicWords tell a line's topic by what its message contains. The first match
// counts.
var topicWords = []struct{ word, topic string }{
	{"election", "election"}, {"vote", "election"}, {"candidate", "election"}, {"Candidate", "election"},
	{"snapshot", "snapshot"}, {"Snapshot", "snapshot"},
	{"leader", "leadership"}, {"Leader", "leadership"}, {"follower state", "leadership"},
	{"configuration", "membership"}, {"peer", "membership"},
	{"heartbeat", "replication"}, {"appendEntries", "replication"}, {"pipeline", "replication"}, {"AppendEntries", "replication"}, {"contact", "replication"},
}

func (b *bridge) topicOf(msg string) string {
	for _, w := range topicWords {
		if strings.Contains(msg, w.word) {
			return w.topic
		}
	}
	return b.topic
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace, hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (b *bridge) Log(level hclog.Level, msg string, args ...any) {
	l := slogLevel(level)
	if level == hclog.Off || !b.logger.Enabled(context.Background(), l) {
		return
	}
	key := msg
	attrs := []any{"topic", b.topicOf(msg)}
	if b.name != "" {
		attrs = append(attrs, "logger", b.name)
	}
	for _, list := range [][]any{b.implied, args} {
		for i := 0; i+1 < len(list); i += 2 {
			name, value := fmt.Sprint(list[i]), list[i+1]
			if f, ok := value.(hclog.Format); ok {
				value = fmt.Sprintf(f[0].(string), f[1:]...)
			}
			if name == "peer" {
				key += fmt.Sprint(value)
			}
			attrs = append(attrs, name, value)
		}
		if len(list)%2 == 1 {
			attrs = append(attrs, "extra", list[len(list)-1])
		}
	}
	if l >= slog.LevelWarn {
		ok, left := b.repeats.allow(key, time.Now())
		if !ok {
			return
		}
		if left > 0 {
			attrs = append(attrs, "repeated", left)
		}
	}
	b.logger.Log(context.Background(), l, msg, attrs...)
}

func (b *bridge) Trace(msg string, args ...any) { b.Log(hclog.Trace, msg, args...) }
func (b *bridge) Debug(msg string, args ...any) { b.Log(hclog.Debug, msg, args...) }
func (b *bridge) Info(msg string, args ...any)  { b.Log(hclog.Info, msg, args...) }
func (b *bridge) Warn(msg string, args ...any)  { b.Log(hclog.Warn, msg, args...) }
func (b *bridge) Error(msg string, args ...any) { b.Log(hclog.Error, msg, args...) }

func (b *bridge) enabled(l slog.Level) bool { return b.logger.Enabled(context.Background(), l) }
func (b *bridge) IsTrace() bool             { return false }
func (b *bridge) IsDebug() bool             { return b.enabled(slog.LevelDebug) }
func (b *bridge) IsInfo() bool              { return b.enabled(slog.LevelInfo) }
func (b *bridge) IsWarn() bool              { return b.enabled(slog.LevelWarn) }
func (b *bridge) IsError() bool             { return b.enabled(slog.LevelError) }

func (b *bridge) ImpliedArgs() []any { return b.implied }

func (b *bridge) With(args ...any) hclog.Logger {
	out := *b
	out.implied = append(append([]any(nil), b.implied...), args...)
	return &out
}

func (b *bridge) Name() string { return b.name }

func (b *bridge) Named(name string) hclog.Logger {
	if b.name != "" {
		name = b.name + "." + name
	}
	return b.ResetNamed(name)
}

func (b *bridge) ResetNamed(name string) hclog.Logger {
	out := *b
	out.name = name
	return &out
}

// SetLevel does nothing: the log's own level counts.
func (b *bridge) SetLevel(hclog.Level) {}

func (b *bridge) GetLevel() hclog.Level {
	switch {
	case b.IsDebug():
		return hclog.Debug
	case b.IsInfo():
		return hclog.Info
	case b.IsWarn():
		return hclog.Warn
	}
	return hclog.Error
}

func (b *bridge) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return log.New(b.StandardWriter(nil), "", 0)
}

func (b *bridge) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return standardWriter{b} }

// standardWriter takes lines of loggers that know no levels.
type standardWriter struct{ b *bridge }

func (w standardWriter) Write(p []byte) (int, error) {
	w.b.Info(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
