package scan

import (
	"bytes"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
)

// search finds the events of a chunk. They share no memory with it.
func (s *searcher) search(chunk []byte, lines *filter.Lines, log int) found {
	machine, _ := s.machines.Get().(*filter.Machine)
	if machine == nil {
		machine = s.Filter.Query.NewMachine()
	}
	if machine != nil {
		defer s.machines.Put(machine)
	}
	c := chunkSearch{chunk: chunk, lines: lines, filter: s.Filter, clock: untimed}
	out := found{}
	take := func(start, end int) {
		text, mark := c.copy(bytes.TrimSuffix(chunk[start:end], []byte{'\r'}))
		var e event.Event
		lines.Parse(text, &e)
		if c.timed(&e, start, end); e.Time != untimed && !s.Filter.InRange(e.Time) || s.skip(&e, lines, machine) {
			c.arena = c.arena[:mark]
			return
		}
		e.Stream = log
		out.events = append(out.events, e)
	}
	if s.All {
		filter.All(chunk, take)
	} else {
		lines.Each(chunk, take)
	}
	out.last = c.lookBack(len(chunk))
	return out
}

// skip reports whether an event is left out, and marks it if it is context.
func (s *searcher) skip(e *event.Event, lines *filter.Lines, machine *filter.Machine) bool {
	if lines.Keep(e, machine) {
		return false
	}
	e.Context = true
	return !s.All
}

// chunkSearch is the state of the search in one chunk.
type chunkSearch struct {
	chunk  []byte
	lines  *filter.Lines
	filter *filter.Filter

	arena []byte // lines are copied here; a full one is left to its events

	// clock is the time of the last line that has one before known, which is the
	// start of a line.
	clock int64
	known int
}

const (
	firstArena = 8 << 10
	maxArena   = 256 << 10
)

// copy returns a copy of line and what c.arena was before it.
func (c *chunkSearch) copy(line []byte) (text []byte, mark int) {
	if cap(c.arena)-len(c.arena) < len(line) {
		size := min(max(firstArena, 2*cap(c.arena)), maxArena)
		c.arena = make([]byte, 0, max(size, len(line)))
	}
	mark = len(c.arena)
	c.arena = append(c.arena, line...)
	return c.arena[mark:len(c.arena):len(c.arena)], mark
}

// timed corrects the time of an event, or finds it in the lines before.
func (c *chunkSearch) timed(e *event.Event, start, end int) {
	if e.HasTime {
		e.Time += c.filter.Skew[e.Node]
		c.clock, c.known = e.Time, min(end+1, len(c.chunk))
		return
	}
	e.Time = c.lookBack(start)
}

// lookBack returns the time of the last line before start that has one, or
// untimed if the chunk has none there. Each line is looked at once, however
// often this is called.
func (c *chunkSearch) lookBack(start int) int64 {
	for end := start; end > c.known; {
		begin := c.known + bytes.LastIndexByte(c.chunk[c.known:end-1], '\n') + 1
		line := bytes.TrimRight(c.chunk[begin:end], "\r\n")
		if ns, ok := c.lines.Time(line); ok {
			c.clock = ns + c.filter.Skew[c.lines.Node()]
			break
		}
		end = begin
	}
	c.known = max(c.known, start)
	return c.clock
}
