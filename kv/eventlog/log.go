package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"raftkv/kv/pulse"
)

const (
	defaultMaxBytes = 64 << 20
	defaultKeep     = 5
	defaultQueue    = 4096
)

// closeTimeout bounds Close: a node whose disk hangs, or whose stderr nobody
// reads, must still be able to exit.
const closeTimeout = 5 * time.Second

// Options say where a node's log goes.
type Options struct {
	// Path of the log file; its folder is created if missing. Required. An
	// existing file is appended to. Only one process may write to it.
	Path string

	// Node is the node's id, written into every line. Required: without it
	// lines of several nodes cannot be told apart once merged.
	Node string

	// Level is the least severe level that is written. The zero value is info.
	Level slog.Level

	// MaxBytes is the size of a file in bytes beyond which it is rotated: Path
	// becomes Path.1, Path.1 becomes Path.2, and so on. 0 means 64 MiB. A
	// single line that is longer gets a file of its own.
	MaxBytes int64

	// Keep is how many rotated files are kept beside Path. 0 means 5. The log
	// takes (Keep + 1) * MaxBytes of disk at most.
	Keep int

	// Pulse is what a trace is written at; nil: one of its own. Who gives one closes it.
	Pulse *pulse.Pulse

	// Queue is how many lines may wait to be written. 0 means 4096. When too
	// small, bursts lose lines; when too large, a hung disk costs memory.
	Queue int

	// Also, if not nil, gets a copy of every line in a short text form for
	// people, such as on stderr. It has a queue of its own, so that a terminal
	// nobody reads costs no lines of the file. Close does not close it.
	Also io.Writer
}

func (o *Options) fill() error {
	switch {
	case o.Path == "":
		return errors.New("event log: no path: name the file to write")
	case o.Node == "":
		return errors.New("event log: no node id: every line must say which node wrote it")
	case o.MaxBytes < 0 || o.Keep < 0 || o.Queue < 0:
		return fmt.Errorf("event log %s: size %d, files to keep %d and queue %d must not be negative",
			o.Path, o.MaxBytes, o.Keep, o.Queue)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	return nil
}

// Log is an open node log. All methods may be called concurrently.
type Log struct {
	logger *slog.Logger
	file   *lineWriter
	also   *lineWriter // nil without Options.Also

	closeOnce sync.Once
	closeErr  error
}

// Open opens the log for appending and starts its writer. The caller must Close
// the log to get the last lines onto disk.
func Open(opts Options) (*Log, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	file, err := openRotatingFile(opts.Path, opts.MaxBytes, opts.Keep)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	return start(opts, file, func() error { return errors.Join(file.Sync(), file.Close()) }), nil
}

// start runs a log that writes to out and calls finish when all is written.
// Tests pass an out that blocks or fails.
func start(opts Options, out io.Writer, finish func() error) *Log {
	l := &Log{}
	l.file = startLineWriter(out, opts.Queue, func(loss loss) []byte {
		return lossLine(opts.Node, loss, false)
	}, finish)
	if opts.Also != nil {
		l.also = startLineWriter(opts.Also, opts.Queue, func(loss loss) []byte {
			return lossLine(opts.Node, loss, true)
		}, nil)
	}
	l.logger = slog.New(&handler{log: l, node: opts.Node, level: opts.Level})
	return l
}

// Logger returns the logger that writes to this log. After Close its lines are
// dropped and counted.
func (l *Log) Logger() *slog.Logger { return l.logger }

// Dropped returns how many lines never reached the file: the queue was full, the
// write failed, or the log was closed. Losses of the copy for people are not
// included; the copy itself tells of them.
func (l *Log) Dropped() uint64 { return l.file.dropped.Load() }

// WriteErrors returns how many writes to the file failed.
func (l *Log) WriteErrors() uint64 { return l.file.failures.Load() }

// Close writes what is queued, fsyncs and closes the file. If the file or the
// copy's writer hangs for more than 5 seconds Close gives up and returns an
// error. The goroutine that hangs is then left behind: a write that the kernel
// does not return from cannot be stopped, and should it return the rest is still
// written. Close may be called again and returns the same error.
func (l *Log) Close() error {
	l.closeOnce.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Log) close() error {
	l.file.stop()
	if l.also != nil {
		l.also.stop()
	}
	hung, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()

	var errs []error
	if !l.file.ended(hung) {
		errs = append(errs, fmt.Errorf("close event log: the file's disk does not answer, %d or more lines are not written: is it well?",
			len(l.file.queue)))
	} else if err := l.file.finishErr; err != nil {
		errs = append(errs, fmt.Errorf("close event log: its last lines may be lost: %w", err))
	}
	if l.also != nil && !l.also.ended(hung) {
		errs = append(errs, errors.New("close event log: nobody reads its copy for people (stderr?)"))
	}
	return errors.Join(errs...)
}

// lossLine is the line that tells of lost lines. The writer makes it itself,
// because it must not wait for a place in its own queue.
func lossLine(node string, loss loss, text bool) []byte {
	e := newEncoder(fields{}, text)
	defer e.free()
	e.add("", slog.String(KeyTopic, TopicLog))
	e.add("", slog.Uint64("dropped", loss.lines))
	if loss.err != nil {
		e.add("", slog.Uint64("write_errors", loss.failures))
		e.add("", slog.Any("error", loss.err))
	}
	l := newLine()
	const msg = "log lines were dropped"
	if text {
		l.b = e.appendText(l.b, time.Now(), slog.LevelWarn, node, msg)
	} else {
		l.b = e.appendJSON(l.b, time.Now(), slog.LevelWarn, node, msg)
	}
	return l.b
}
