package show

import (
	"raftkv/cmd/logfilter/event"
)

// SGR sequences of a terminal.
const (
	reset  = "\x1b[0m"
	dim    = "\x1b[2m"
	bold   = "\x1b[1m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
)

// nodeColours leave out what levels use.
var nodeColours = []string{"\x1b[36m", "\x1b[35m", "\x1b[32m", "\x1b[34m", "\x1b[96m", "\x1b[95m", "\x1b[92m", "\x1b[94m"}

// palette gives each node a colour of its own, in the order in which they come.
type palette struct {
	on    bool
	nodes map[string]string
}

func newPalette(on bool) *palette { return &palette{on, make(map[string]string)} }

func (p *palette) node(b []byte, node string) []byte {
	if !p.on {
		return b
	}
	colour, known := p.nodes[node]
	if !known {
		colour = nodeColours[len(p.nodes)%len(nodeColours)]
		p.nodes[node] = colour
	}
	return append(b, colour...)
}

func (p *palette) level(b []byte, level event.Level) []byte {
	switch {
	case level >= event.Error:
		return p.with(b, red)
	case level == event.Warn:
		return p.with(b, yellow)
	case level == event.Debug || level == event.Trace:
		return p.with(b, dim)
	}
	return b
}

func (p *palette) with(b []byte, colour string) []byte {
	if p.on {
		b = append(b, colour...)
	}
	return b
}
