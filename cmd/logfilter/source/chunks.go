package source

import (
	"bytes"
	"io"
)

// maxLine is the longest line that is kept whole, in bytes. What is longer is cut
// into lines of this length, so that memory stays bounded.
const maxLine = 4 << 20

// Chunks cuts what a reader gives into pieces of whole lines.
type Chunks struct {
	r    io.Reader
	rest []byte // the beginning of a line that is not whole yet
	full bool   // wait until a chunk is full, rather than return what has come
	done bool
}

// NewChunks reads from r. If full is false, as for a terminal or a pipe, a line
// is returned as soon as it has come.
func NewChunks(r io.Reader, full bool) *Chunks { return &Chunks{r: r, full: full} }

// Next fills buf with whole lines and returns them, in buf or in a longer buffer
// if a line does not fit. The last line of a file may lack its newline. It
// returns io.EOF when all has been returned, and never bytes with an error.
func (c *Chunks) Next(buf []byte) ([]byte, error) {
	if c.done && len(c.rest) == 0 {
		return nil, io.EOF
	}
	if len(buf) <= len(c.rest) {
		buf = make([]byte, 2*len(c.rest))
	}
	n := copy(buf, c.rest)
	c.rest = c.rest[:0]
	for !c.done {
		m, err := c.r.Read(buf[n:])
		n += m
		if err == io.EOF {
			c.done = true
			break
		}
		if err != nil {
			return nil, err
		}
		if n < len(buf) && (c.full || bytes.IndexByte(buf[n-m:n], '\n') < 0) {
			continue
		}
		if end := bytes.LastIndexByte(buf[:n], '\n') + 1; end > 0 {
			c.rest = append(c.rest, buf[end:n]...)
			return buf[:end], nil
		}
		if n >= maxLine {
			return buf[:n], nil
		}
		buf = append(buf, make([]byte, len(buf))...)
	}
	if n == 0 {
		return nil, io.EOF
	}
	return buf[:n], nil
}
