// Package scan reads logs and finds the events in them that a filter keeps, on
// all cores and in bounded memory: a log is cut into chunks, chunks are searched
// at the same time, and what was found comes out in the order of the log.
package scan

import (
	"context"
	"io"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/source"
)

// Options say what to read and how.
type Options struct {
	Filter *filter.Filter
	Format format.Options
	// All lets every line in the filter's time through; Event.Context is set on
	// those that it does not keep.
	All   bool
	Stdin io.Reader
}

const (
	// memory is what all chunks together may take, in bytes.
	memory = 24 << 20
	// A chunk that is larger than the processor's cache is slower to search; one
	// that is small costs more in hand-overs than in searching.
	maxChunk, minChunk = 512 << 10, 16 << 10
	// ahead is how many chunks of a log may be searched or wait to be merged.
	ahead = 3
)

// untimed marks the lines at the beginning of a chunk that have no time: that of
// the line before is in another chunk.
const untimed = math.MinInt64

// Scan is a search that is under way.
type Scan struct {
	logs   []*Log
	group  *errgroup.Group
	cancel context.CancelFunc
}

// Start begins to search. The caller must Close the scan.
func Start(ctx context.Context, streams []source.Stream, o Options) *Scan {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	s := &Scan{group: g, cancel: cancel}
	// One chunk more of each log is being filled.
	size := max(minChunk, min(maxChunk, memory/(max(1, len(streams))*(ahead+1))))
	work := &searcher{Options: o, size: size, cores: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
	for i, stream := range streams {
		log := &Log{Stream: stream, queue: make(chan chan found, ahead-1), filter: o.Filter, number: i}
		s.logs = append(s.logs, log)
		g.Go(func() error {
			defer close(log.queue)
			work.read(ctx, g, log)
			return nil // a log that cannot be read says so itself; the others are worth reading
		})
	}
	return s
}

// Logs are the searches, in the order of the streams.
func (s *Scan) Logs() []*Log { return s.logs }

// Close ends the search and waits for its goroutines.
func (s *Scan) Close() {
	s.cancel()
	// The goroutines return no errors; see Log.Err.
	_ = s.group.Wait()
}

// Log is the search in one stream. Its methods are for one goroutine.
type Log struct {
	Stream source.Stream

	// queue has the chunks in their order; each arrives when it has been searched.
	queue  chan chan found
	filter *filter.Filter
	number int

	// clock is the time of the last line before the chunk at hand.
	clock int64
	chunk found
	at    int
	err   error
}

// found is what a chunk had.
type found struct {
	events []event.Event
	// last is the time of the chunk's last line that has one; or untimed.
	last int64
	err  error
}

// Next returns the next event, or nil at the end. It is valid for good.
func (l *Log) Next() *event.Event {
	for {
		for l.at < len(l.chunk.events) {
			e := &l.chunk.events[l.at]
			l.at++
			if e.Time == untimed {
				e.Time = l.clock
				if !l.filter.InRange(e.Time) {
					continue
				}
			}
			return e
		}
		if len(l.chunk.events) > 0 && l.chunk.last != untimed {
			l.clock = l.chunk.last
		}
		l.chunk, l.at = found{}, 0
		chunk, ok := <-l.queue
		if !ok {
			return nil
		}
		l.chunk = <-chunk
		if l.chunk.err != nil && l.err == nil {
			l.err = l.chunk.err
		}
		if len(l.chunk.events) == 0 && l.chunk.last != untimed {
			l.clock = l.chunk.last
		}
	}
}

// Err returns the first error that kept a file of the log from being read to
// its end.
func (l *Log) Err() error { return l.err }

// Buffered reports whether Next returns without waiting.
func (l *Log) Buffered() bool { return l.at < len(l.chunk.events) }
