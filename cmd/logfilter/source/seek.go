package source

import (
	"bytes"
	"io"
	"math"
)

// Slack is how far a line may lie behind one before it, in nanoseconds, in a
// file that counts as sorted.
const Slack = 5e9

const (
	probes     = 24
	probeBytes = 16 << 10
	// seekFrom is the size from which seeking is worth its probes.
	seekFrom = 1 << 20
)

// timeOf finds the time of a line.
type timeOf func(line []byte) (ns int64, ok bool)

// Span returns the part of the file, at line ends, that holds the lines from
// since to until. It is all of the file if that is small or not sorted: a file
// counts as sorted if samples all over it are, within Slack.
func (f *File) Span(since, until int64, at timeOf) (from, to int64, err error) {
	if f.size < seekFrom || since == math.MinInt64 && until == math.MaxInt64 {
		return 0, f.size, nil
	}
	sorted, err := f.sorted(at)
	if !sorted || err != nil {
		return 0, f.size, err
	}
	from, to = 0, f.size
	if since != math.MinInt64 {
		if from, _, err = f.search(since-Slack, at); err != nil {
			return 0, 0, err
		}
	}
	if until != math.MaxInt64 {
		if _, to, err = f.search(until+Slack, at); err != nil {
			return 0, 0, err
		}
	}
	return from, max(from, to), nil
}

// First and Last return the time of the first and last line that has one near
// the beginning and the end of the file.
func (f *File) First(at timeOf) (ns int64, ok bool, err error) {
	_, ns, ok, err = f.probe(0, at)
	return ns, ok, err
}

// Last is First for the end.
func (f *File) Last(at timeOf) (last int64, ok bool, err error) {
	b := make([]byte, min(f.size, 4*probeBytes))
	n, err := f.f.ReadAt(b, f.size-int64(len(b)))
	if err != nil && err != io.EOF {
		return 0, false, err
	}
	for line := range bytes.Lines(b[:n]) {
		if ns, found := at(bytes.TrimRight(line, "\r\n")); found && (!ok || ns > last) {
			last, ok = ns, true
		}
	}
	return last, ok, nil
}

func (f *File) sorted(at timeOf) (bool, error) {
	newest := int64(math.MinInt64)
	for i := range int64(probes) {
		_, ns, ok, err := f.probe(f.size/probes*i, at)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		if newest > math.MinInt64+Slack && ns < newest-Slack {
			return false, nil
		}
		newest = max(newest, ns)
	}
	return true, nil
}

// search returns two line starts between which the file's lines reach t: what is
// before from is earlier, what is at or behind to is later.
func (f *File) search(t int64, at timeOf) (from, to int64, err error) {
	lo, hi := int64(0), f.size // as from and to, but hi is anywhere in a line
	loStart, hiStart := lo, hi
	for hi-lo > probeBytes {
		mid := lo + (hi-lo)/2
		start, ns, ok, err := f.probe(mid, at)
		switch {
		case err != nil:
			return 0, 0, err
		case !ok || start >= hi: // nothing to compare there: look in the first half
			hi = mid
		case ns < t:
			lo, loStart = start, start
		default:
			hi, hiStart = mid, start
		}
	}
	return loStart, hiStart, nil
}

// probe finds the first line that begins at or after offset and has a time.
func (f *File) probe(offset int64, at timeOf) (start, ns int64, ok bool, err error) {
	b := make([]byte, min(probeBytes, f.size-offset))
	n, err := f.f.ReadAt(b, offset)
	if err != nil && err != io.EOF {
		return 0, 0, false, err
	}
	b = b[:n]
	begin := 0
	if offset > 0 { // its first line is cut
		begin = bytes.IndexByte(b, '\n') + 1
		if begin == 0 {
			return 0, 0, false, nil
		}
	}
	for begin < len(b) {
		end := bytes.IndexByte(b[begin:], '\n')
		if end < 0 {
			break
		}
		if ns, ok := at(bytes.TrimRight(b[begin:begin+end], "\r")); ok {
			return offset + int64(begin), ns, true, nil
		}
		begin += end + 1
	}
	return 0, 0, false, nil
}
