package scan

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/source"
)

// maxWaiting bounds how many events of a log wait for those of others.
const maxWaiting = 10_000

// tail reads one log to its end, and on as it grows.
type tail struct {
	stream   source.Stream
	searcher *searcher
	number   int

	// older are the files to read before the one that is written to.
	older []string
	// chain are files that came after now, open: their names change.
	chain []*os.File
	looks int // at a rotation that is under way
	// now is the open file: an older one, or that which is written to.
	now    *os.File
	read   io.Reader // now, or what it holds decompressed
	packed *source.File
	offset int64 // in now, of what was read
	rest   []byte
	lines  *filter.Lines

	clock   int64
	events  []event.Event
	waiting []waiting
	err     error
}

// waiting is an event that was read a moment ago.
type waiting struct {
	event *event.Event
	since time.Time
}

func newTail(s source.Stream, work *searcher, number int) *tail {
	t := &tail{stream: s, searcher: work, number: number}
	for _, path := range s.Files {
		if path != s.Path || path == source.Stdin {
			t.older = append(t.older, path)
		}
	}
	return t
}

// Next returns the next event, nil if there is none for now.
func (t *tail) Next() *event.Event {
	for len(t.events) == 0 {
		if !t.fill() {
			return nil
		}
	}
	e := &t.events[0]
	t.events = t.events[1:]
	return e
}

// wait takes what is there into the events that wait.
func (t *tail) wait(now time.Time) {
	for len(t.waiting) < maxWaiting {
		e := t.Next()
		if e == nil {
			return
		}
		t.waiting = append(t.waiting, waiting{e, now})
	}
}

// fill reads on and reports whether there was anything. An error ends only the
// file at hand.
func (t *tail) fill() bool {
	if t.now == nil && t.packed == nil && !t.open() {
		return false
	}
	buf := make([]byte, len(t.rest)+t.searcher.size)
	n := copy(buf, t.rest)
	m, err := t.read.Read(buf[n:])
	t.offset += int64(m)
	buf = buf[:n+m]
	if err != nil && err != io.EOF {
		t.err = errors.Join(t.err, err)
		t.next(buf[:n])
		return true
	}
	if m == 0 {
		return t.atEnd()
	}
	end := bytes.LastIndexByte(buf, '\n') + 1
	if end == 0 && len(buf) >= maxPartial {
		end = len(buf)
	}
	t.rest = bytes.Clone(buf[end:])
	t.take(buf[:end])
	return true
}

// maxPartial bounds a line that does not end.
const maxPartial = 4 << 20

// take finds the events of whole lines.
func (t *tail) take(chunk []byte) {
	if len(chunk) == 0 {
		return
	}
	if t.lines == nil {
		parser := format.Detect(chunk, t.searcher.Format)
		t.lines = t.searcher.Filter.For(parser, t.stream.Node, chunk)
	}
	f := t.searcher.search(chunk, t.lines, t.number)
	for _, e := range f.events {
		if e.Time == untimed {
			e.Time = t.clock
			if !t.searcher.Filter.InRange(e.Time) {
				continue
			}
		}
		t.events = append(t.events, e)
	}
	if f.last != untimed {
		t.clock = f.last
	}
}

// open opens the next older file, or that which is written to.
func (t *tail) open() bool {
	if len(t.chain) > 0 {
		t.now, t.read, t.lines, t.offset = t.chain[0], t.chain[0], nil, 0
		t.chain = t.chain[1:]
		return true
	}
	if len(t.older) > 0 {
		path := t.older[0]
		t.older = t.older[1:]
		f, err := source.Open(path, t.searcher.Stdin)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.err = errors.Join(t.err, err)
			}
			return t.open()
		}
		t.packed, t.read, t.lines = f, f, nil
		return true
	}
	if t.stream.Path == source.Stdin {
		return false
	}
	f, err := os.Open(t.stream.Path)
	if err != nil { // between two files, or not made yet
		return false
	}
	t.now, t.read, t.lines, t.offset = f, f, nil, 0
	t.skip()
	return true
}

// skip leaves out what is too early to matter.
func (t *tail) skip() {
	since, _ := t.searcher.bounds()
	if since == math.MinInt64 {
		return
	}
	f, err := source.Open(t.stream.Path, nil)
	if err != nil {
		return
	}
	defer f.Close()
	sample, err := f.Sample()
	if err != nil || len(sample) == 0 {
		return
	}
	parser := format.Detect(sample, t.searcher.Format)
	from, _, err := f.Span(since, math.MaxInt64, parser.Time)
	if err != nil {
		return
	}
	if at, err := t.now.Seek(from, io.SeekStart); err == nil {
		t.offset = at
		t.lines = t.searcher.Filter.For(parser, t.stream.Node, sample)
	}
}

// atEnd sees whether the file that was read to its end is the one that is still
// written to. It reports whether there is more to read.
func (t *tail) atEnd() bool {
	if t.packed != nil {
		t.next(t.rest)
		return true
	}
	mine, err := t.now.Stat()
	if err != nil {
		t.next(t.rest)
		return true
	}
	if mine.Size() < t.offset { // truncated: what follows is new
		t.flush(t.rest)
		if _, err := t.now.Seek(0, io.SeekStart); err != nil {
			t.err = errors.Join(t.err, err)
			return false
		}
		t.offset = 0
		return true
	}
	if mine.Size() > t.offset {
		return true
	}
	if len(t.chain) > 0 {
		t.next(t.rest)
		return true
	}
	current, err := os.Stat(t.stream.Path)
	if err != nil || os.SameFile(mine, current) {
		return false
	}
	// Rotated, perhaps more than once. What was written between the last read and
	// the rename is read by now only if nothing came after the size was looked at.
	if again, err := t.now.Stat(); err == nil && again.Size() > t.offset {
		return true
	}
	younger, ok := t.younger(mine)
	if !ok {
		return false // a rotation is under way: look again at the next poll
	}
	t.next(t.rest)
	t.chain = younger
	return true
}

// next ends the file at hand.
func (t *tail) next(rest []byte) {
	t.flush(rest)
	t.closeFile()
}

// flush takes a last line that has no end.
func (t *tail) flush(rest []byte) {
	t.rest = nil
	t.take(rest)
}

// close lets go of all files.
func (t *tail) close() {
	t.closeFile()
	for _, f := range t.chain {
		_ = f.Close() // only read
	}
	t.chain = nil
}

func (t *tail) closeFile() {
	if t.packed != nil {
		t.packed.Close()
	}
	if t.now != nil {
		// Only read: an error of close could not matter.
		_ = t.now.Close()
	}
	t.packed, t.now, t.read = nil, nil, nil
}
