package eventlog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv/pulse"
)

// A trace follows single messages and entries on their way through the cluster. Its
// lines are many: they have a file of their own, beside the log, so that they push
// nothing older out of that, and a writer that costs as little as it can. They look
// like those of the log, at level trace, with one of the topics in TraceTopics.
//
// A line about a message says with "way" where on its way the message is: "sent" and
// "returned" (its answer) by the node that asks, "received" and "answered" by the
// one at the other end, which each names the other as "peer". "message" is its
// number, which the asking node gives to no other one.

// TraceTopics lists the topics that a trace may have.
func TraceTopics() []string {
	return []string{TopicElection, TopicReplication, TopicCommit, TopicStore, TopicSnapshot, TopicMigration, TopicSession, TopicClient}
}

// ParseTraceTopics understands "all", "off" (or "on", as people say it) and a list of
// topics with commas.
func ParseTraceTopics(text string) ([]string, error) {
	switch text {
	case "all", "on":
		return TraceTopics(), nil
	case "off", "":
		return nil, nil
	}
	topics := strings.Split(text, ",")
	for _, topic := range topics {
		if !slices.Contains(TraceTopics(), topic) {
			return nil, fmt.Errorf("there is no trace of %q: take all, off, or some of %s", topic, strings.Join(TraceTopics(), ","))
		}
	}
	return topics, nil
}

const (
	// traceDelay is how long a line may wait in memory for others to be written with
	// it, until the pulse at which a node at rest is awake anyway. That is what is lost
	// when a process is killed.
	traceDelay = 100 * time.Millisecond
	// traceFull is how many bytes are written without waiting, and traceBound how many
	// wait at most when the disk does not keep up: beyond, lines are dropped.
	traceFull, traceBound = 256 << 10, 4 << 20
)

// Tracer writes a trace. A nil one is off. All methods may be called concurrently,
// and none of them waits for the disk but Close.
type Tracer struct {
	node     []byte // the part of a line between time and topic
	topics   atomic.Pointer[[]string]
	sampling sampling
	out      *rotatingFile
	delay    *pulse.Alarm
	own      *pulse.Pulse  // nil: delay's is not the tracer's to close
	wake     chan struct{} // has room for one
	done     chan struct{}

	mu      sync.Mutex
	buf     []byte
	spare   []byte // what was written last, to be filled again
	second  int64  // whose text is in clock
	clock   []byte
	pending bool // run has been told of what is in buf
	dropped uint64
	closed  bool
}

// OpenTracer opens a trace that writes to opts.Path and is off; Level, Queue and Also
// are not used. The caller must Close it.
func OpenTracer(opts Options) (*Tracer, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	file, err := openRotatingFile(opts.Path, opts.MaxBytes, opts.Keep)
	if err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	t := &Tracer{out: file, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if opts.Pulse == nil {
		t.own = pulse.Portable()
		opts.Pulse = t.own
	}
	t.delay = opts.Pulse.Alarm()
	t.node = appendJSONString([]byte(`","level":"trace","node":`), opts.Node)
	t.node = append(t.node, `,"topic":"`...)
	t.topics.Store(new([]string))
	go t.run()
	return t, nil
}

// Follow sets the topics that are written from now on.
func (t *Tracer) Follow(topics []string) { t.topics.Store(&topics) }

// Topics returns what Follow has set last.
func (t *Tracer) Topics() []string { return *t.topics.Load() }

// On tells whether lines of a topic are written. It is cheap.
func (t *Tracer) On(topic string) bool {
	return t != nil && slices.Contains(*t.topics.Load(), topic)
}

// NoGroup is the group of a line that is about none.
const NoGroup = ^uint32(0)

// Place is the part of a line that says what it is about. Numbers that are zero are
// left out, but the group.
type Place struct {
	Group       uint32
	Term, Index uint64
}

// Line begins a line, or returns nil if its topic is off: all methods of a nil
// line do nothing. It is written by Write.
func (t *Tracer) Line(topic, msg string, at Place) *TraceLine {
	if !t.On(topic) {
		return nil
	}
	l := traceLines.Get().(*TraceLine)
	l.t, l.at = t, time.Time{}
	l.b = append(append(l.b[:0], topic...), '"')
	if at.Group != NoGroup {
		l.b = append(l.b, `,"group":`...)
		l.b = strconv.AppendUint(l.b, uint64(at.Group), 10)
	}
	if at.Term != 0 {
		l.b = append(l.b, `,"term":`...)
		l.b = strconv.AppendUint(l.b, at.Term, 10)
	}
	if at.Index != 0 {
		l.b = append(l.b, `,"index":`...)
		l.b = strconv.AppendUint(l.b, at.Index, 10)
	}
	l.b = append(l.b, `,"msg":"`...)
	l.b = append(l.b, msg...) // a constant text without quotes
	l.b = append(l.b, '"')
	return l
}

// TraceLine is a line that is being made, by one goroutine. Names of attributes are
// constants that need no escapes.
type TraceLine struct {
	t  *Tracer
	b  []byte
	at time.Time // zero: when it is written
}

var traceLines = sync.Pool{New: func() any { return new(TraceLine) }}

func (l *TraceLine) key(name string) {
	l.b = append(l.b, ',', '"')
	l.b = append(l.b, name...)
	l.b = append(l.b, '"', ':')
}

// At dates a line back: it tells late of what was at a time.
func (l *TraceLine) At(at time.Time) *TraceLine {
	if l != nil {
		l.at = at
	}
	return l
}

// Uint adds a number.
func (l *TraceLine) Uint(name string, v uint64) *TraceLine {
	if l != nil {
		l.key(name)
		l.b = strconv.AppendUint(l.b, v, 10)
	}
	return l
}

// Text adds a text, which is left out if it is empty.
func (l *TraceLine) Text(name, v string) *TraceLine {
	if l != nil && v != "" {
		l.key(name)
		l.b = appendJSONString(l.b, v)
	}
	return l
}

// Bool adds true or false.
func (l *TraceLine) Bool(name string, v bool) *TraceLine {
	if l != nil {
		l.key(name)
		l.b = strconv.AppendBool(l.b, v)
	}
	return l
}

// Took adds a length of time, in whole microseconds.
func (l *TraceLine) Took(name string, d time.Duration) *TraceLine {
	if l != nil {
		l.key(name)
		l.b = append(l.b, '"')
		l.b = append(l.b, d.Round(time.Microsecond).String()...)
		l.b = append(l.b, '"')
	}
	return l
}

// Write writes the line. It must not be used after.
func (l *TraceLine) Write() {
	if l == nil {
		return
	}
	l.t.put(l.b, l.at)
	if cap(l.b) <= maxPooled {
		traceLines.Put(l)
	}
}

// put appends a line to what is to be written. Times are taken under the lock, so
// that lines stand in their order, but those that come late.
func (t *Tracer) put(line []byte, at time.Time) {
	t.mu.Lock()
	if t.closed || len(t.buf) > traceBound {
		t.dropped++
		t.mu.Unlock()
		return
	}
	if at.IsZero() {
		at = time.Now()
	}
	t.stamp(at)
	t.buf = append(append(t.buf, line...), '}', '\n')
	first, full := !t.pending, len(t.buf) > traceFull
	t.pending = true
	t.mu.Unlock()
	if first || full {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// stamp begins a line with its time. mu must be held.
func (t *Tracer) stamp(now time.Time) {
	if second := now.Unix(); second != t.second || t.clock == nil {
		t.second = second
		t.clock = now.UTC().AppendFormat(t.clock[:0], `{"t":"2006-01-02T15:04:05.`)
	}
	t.buf = append(t.buf, t.clock...)
	ns := now.Nanosecond()
	at := len(t.buf)
	t.buf = append(t.buf, "000000000Z"...)
	for i := at + 8; ns > 0; i-- {
		t.buf[i] = byte('0' + ns%10)
		ns /= 10
	}
	t.buf = append(t.buf, t.node...)
}

// run writes what waits, a little after the first of it has come, until Close.
func (t *Tracer) run() {
	defer close(t.done)
	defer t.delay.Stop()
	for range t.wake {
		t.gather()
		t.mu.Lock()
		out, dropped, closed := t.buf, t.dropped, t.closed
		t.buf, t.spare, t.dropped, t.pending = t.spare[:0], nil, 0, false
		if dropped > 0 {
			t.stamp(time.Now())
			t.buf = append(t.buf, TopicLog...)
			t.buf = append(t.buf, `","msg":"trace lines were dropped","dropped":`...)
			t.buf = append(strconv.AppendUint(t.buf, dropped, 10), '}', '\n')
		}
		t.mu.Unlock()
		if len(out) > 0 {
			// What a full disk refuses is lost: the trace must not hold up the node.
			_, _ = t.out.Write(out)
		}
		t.mu.Lock()
		t.spare = out
		t.mu.Unlock()
		if closed {
			return
		}
	}
}

// gather waits for more lines, which are to be written with those that wait.
func (t *Tracer) gather() {
	for {
		t.mu.Lock()
		enough := len(t.buf) >= traceFull || t.closed
		t.mu.Unlock()
		if enough {
			return
		}
		t.delay.Set(traceDelay)
		select {
		case <-t.delay.C:
			return
		case <-t.wake:
		}
	}
}

// Close writes what waits and closes the file.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
	<-t.done
	if t.own != nil {
		t.own.Close()
	}
	return t.out.Close()
}
