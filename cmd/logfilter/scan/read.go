package scan

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/source"
)

// searcher is what the searches of all logs share.
type searcher struct {
	Options
	size     int // of a chunk
	cores    *semaphore.Weighted
	buffers  sync.Pool // *[]byte of size
	machines sync.Pool // *filter.Machine
}

// read puts the files of a log into its queue, chunk after chunk.
func (s *searcher) read(ctx context.Context, g *errgroup.Group, log *Log) {
	for i, path := range log.Stream.Files {
		if i+1 < len(log.Stream.Files) && s.before(log.Stream.Files[i+1], log.Stream.Node) {
			continue
		}
		err := s.readFile(ctx, g, log, path)
		if errors.Is(err, fs.ErrNotExist) && i+1 < len(log.Stream.Files) {
			continue // rotated out of existence since it was found
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed := make(chan found, 1)
			failed <- found{last: untimed, err: err}
			select {
			case log.queue <- failed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// bounds returns the time that matters in a file whose clocks are not corrected.
func (s *searcher) bounds() (since, until int64) {
	since, until = s.Filter.Since, s.Filter.Until
	if skew := s.Filter.MaxSkew(); skew > 0 {
		if since != math.MinInt64 {
			since -= skew
		}
		if until != math.MaxInt64 {
			until += skew
		}
	}
	return since, until
}

// before reports whether all that is before the file is too early to matter.
func (s *searcher) before(path, node string) bool {
	since, _ := s.bounds()
	if since == math.MinInt64 {
		return false
	}
	f, err := source.Open(path, nil)
	if err != nil {
		return false
	}
	defer f.Close()
	if !f.Seekable() {
		return false
	}
	sample, err := f.Sample()
	if err != nil {
		return false
	}
	first, ok, err := f.First(format.Detect(sample, s.Format).Time)
	return err == nil && ok && first < since-source.Slack
}

func (s *searcher) readFile(ctx context.Context, g *errgroup.Group, log *Log, path string) error {
	f, err := source.Open(path, s.Stdin)
	if err != nil {
		return err
	}
	defer f.Close()
	var lines *filter.Lines
	if f.Seekable() {
		sample, err := f.Sample()
		if err != nil {
			return err
		}
		parser := format.Detect(sample, s.Format)
		lines = s.Filter.For(parser, log.Stream.Node, sample)
		since, until := s.bounds()
		from, to, err := f.Span(since, until, parser.Time)
		if err != nil {
			return err
		}
		f.SeekTo(from, to)
	}
	chunks := source.NewChunks(f, path != source.Stdin)
	for {
		buf := s.buffer()
		chunk, err := chunks.Next(*buf)
		if err != nil {
			s.buffers.Put(buf)
			if err == io.EOF {
				return nil
			}
			return err
		}
		if lines == nil {
			lines = s.Filter.For(format.Detect(chunk, s.Format), log.Stream.Node, chunk)
		}
		result := make(chan found, 1)
		select {
		case log.queue <- result:
		case <-ctx.Done():
			return ctx.Err()
		}
		lines := lines
		g.Go(func() error {
			if err := s.cores.Acquire(ctx, 1); err != nil {
				result <- found{last: untimed, err: err}
				return nil
			}
			defer s.cores.Release(1)
			result <- s.search(chunk, lines, log.number)
			s.buffers.Put(buf)
			return nil
		})
	}
}

func (s *searcher) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, s.size)
	return &b
}
