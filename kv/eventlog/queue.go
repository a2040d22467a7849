package eventlog

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
)

const (
	batchBytes = 64 << 10 // a write is made when this much has been gathered, or nothing waits
	maxPooled  = 64 << 10 // larger buffers are left to the garbage collector
)

// line is one formatted line, with its newline, on its way to a writer.
type line struct{ b []byte }

var lines = sync.Pool{New: func() any { return &line{b: make([]byte, 0, 512)} }}

func newLine() *line {
	l := lines.Get().(*line)
	l.b = l.b[:0]
	return l
}

func (l *line) free() {
	if cap(l.b) <= maxPooled {
		lines.Put(l)
	}
}

// loss is what a lineWriter failed to write since it last told.
type loss struct {
	lines    uint64
	failures uint64 // writes that failed since the start
	err      error  // the last write's error, nil if lines were only dropped for lack of room
}

// lineWriter owns the goroutine that carries lines from a bounded queue to an
// io.Writer. Everything that may block is in that goroutine.
type lineWriter struct {
	out      io.Writer
	lossLine func(loss) []byte // formats the line that tells of a loss
	finish   func() error      // called last, by the goroutine; may be nil

	mu     sync.RWMutex // held for writing only to set closed: put never waits for I/O
	closed bool         // then queue is closed
	queue  chan *line
	nudge  chan struct{} // one slot: a line was dropped, somebody should say so
	done   chan struct{} // closed when the goroutine has ended

	dropped  atomic.Uint64 // lines that never reached out
	failures atomic.Uint64 // writes to out that failed

	// Only the goroutine uses these.
	batch []byte
	told  uint64 // how many of dropped have been told of
	err   error  // of the last write that failed, until told

	finishErr error // to be read after done
}

func startLineWriter(out io.Writer, capacity int, lossLine func(loss) []byte, finish func() error) *lineWriter {
	w := &lineWriter{
		out:      out,
		lossLine: lossLine,
		finish:   finish,
		queue:    make(chan *line, capacity),
		nudge:    make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	go w.run()
	return w
}

// put hands l over, or drops it if there is no room. It never blocks.
func (w *lineWriter) put(l *line) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.closed {
		select {
		case w.queue <- l:
			return
		default:
		}
	}
	w.drop(l)
}

// drop counts l as lost and sees to it that the goroutine tells, even if it has
// nothing left to write.
func (w *lineWriter) drop(l *line) {
	l.free()
	w.dropped.Add(1)
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// stop lets the goroutine end once it has written what is queued; wait for done.
func (w *lineWriter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
}

// ended waits until the goroutine has ended or ctx is done, and tells which.
func (w *lineWriter) ended(ctx context.Context) bool {
	select {
	case <-w.done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-w.done: // both happened: ended counts
		return true
	default:
		return false
	}
}

func (w *lineWriter) run() {
	defer close(w.done)
	for {
		select {
		case l, open := <-w.queue:
			if !open {
				w.tellLoss()
				if w.finish != nil {
					w.finishErr = w.finish()
				}
				return
			}
			w.gather(l)
			w.write()
		case <-w.nudge:
		}
		w.tellLoss()
	}
}

// gather takes first and what else waits, up to a batch, so that a burst costs
// few system calls and a lone line is written at once.
func (w *lineWriter) gather(first *line) {
	w.batch = append(w.batch[:0], first.b...)
	first.free()
	for len(w.batch) < batchBytes {
		select {
		case l, open := <-w.queue:
			if !open {
				return // run sees it next
			}
			w.batch = append(w.batch, l.b...)
			l.free()
		default:
			return
		}
	}
}

// write writes the batch. Lines that fail are counted, not tried again: what
// comes later matters more than a backlog that grows while a disk is full.
func (w *lineWriter) write() {
	n, err := w.out.Write(w.batch)
	if err == nil && n < len(w.batch) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = err
		w.failures.Add(1)
		w.dropped.Add(uint64(bytes.Count(w.batch[max(n, 0):], []byte{'\n'})))
	}
}

// tellLoss writes a line about lines lost since the last such line. If that
// fails too, the next batch tries again.
func (w *lineWriter) tellLoss() {
	dropped := w.dropped.Load()
	if dropped == w.told {
		return
	}
	b := w.lossLine(loss{lines: dropped - w.told, failures: w.failures.Load(), err: w.err})
	if n, err := w.out.Write(b); err != nil || n < len(b) {
		w.failures.Add(1)
		if err != nil {
			w.err = err
		}
		return
	}
	w.told, w.err = dropped, nil
}
