package filter

import (
	"bytes"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
)

// needle is a hint made for one file: bytes that a line must hold, and for a
// field what must follow them.
type needle struct {
	text    []byte
	accept  func(value []byte) bool // nil: text alone is enough
	decoded bool                    // escapes may hide it
}

// Lines finds the lines of a file that a filter may keep. It is safe for
// concurrent use.
type Lines struct {
	filter  *Filter
	parser  format.Parser
	node    string
	needles []needle // the rarest first
}

// For prepares the filter for a file: its parser, the node whose log it is, and
// a sample of its lines, which tells what is rare in it.
func (f *Filter) For(p format.Parser, node string, sample []byte) *Lines {
	l := &Lines{filter: f, parser: p, node: node}
	json, isJSON := p.(*format.JSON)
	conds := f.Conds
	if f.Query != nil {
		conds = append(conds[:len(conds):len(conds)], f.Query.hints...)
	}
	rarest := -1
	for _, c := range conds {
		n := needle{text: []byte(c.Literal), decoded: c.Decoded && isJSON}
		if c.Decoded && !isJSON {
			n.text = nil // escapes of other formats are not looked for
		}
		if c.Field != "" && isJSON && plainName(json.Key(c.Field)) && (c.FromFile == nil || !c.FromFile(node)) {
			n = needle{text: []byte(`"` + json.Key(c.Field) + `"`), accept: c.Accept, decoded: true}
		}
		if len(n.text) == 0 {
			continue
		}
		l.needles = append(l.needles, n)
		if hits := n.count(sample); rarest < 0 || hits < rarest {
			rarest = hits
			last := len(l.needles) - 1
			l.needles[0], l.needles[last] = l.needles[last], l.needles[0]
		}
	}
	return l
}

// plainName reports whether a key has no characters that JSON may escape, but
// by \u00..; those are looked for.
func plainName(key string) bool {
	for i := range len(key) {
		if c := key[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '/' {
			return false
		}
	}
	return key != ""
}

func (n *needle) count(sample []byte) int {
	hits := 0
	for at := n.next(sample, 0); at >= 0; at = n.next(sample, at+len(n.text)) {
		hits++
	}
	return hits
}

// next returns where the needle is in b, from an offset on, or -1. Lines may be
// many: a value ends with its line at the latest.
func (n *needle) next(b []byte, from int) int {
	for {
		i := bytes.Index(b[from:], n.text)
		if i < 0 {
			return -1
		}
		at := from + i
		from = at + len(n.text)
		if n.accept == nil || acceptsValue(b[from:], n.accept) {
			return at
		}
	}
}

// acceptsValue looks at the value of a key that ends before b. If it is not
// plain to see it passes.
func acceptsValue(b []byte, accept func([]byte) bool) bool {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != ':' {
		return false // the text was no key
	}
	i = skipSpace(b, i+1)
	if i >= len(b) {
		return false
	}
	if b[i] == '"' {
		start := i + 1
		for i = start; i < len(b) && b[i] != '"'; i++ {
			if b[i] == '\\' || b[i] == '\n' {
				return true
			}
		}
		return accept(b[start:i])
	}
	start := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ' ' && b[i] != '\n' {
		i++
	}
	return accept(b[start:i])
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// hidden reports whether a chunk has escapes of printable ASCII characters, which
// no logger writes, but which would hide a needle.
func hidden(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 || i+4 >= len(b) {
			return false
		}
		if b[i+1] == 'u' && b[i+2] == '0' && b[i+3] == '0' && b[i+4] >= '2' && b[i+4] <= '7' {
			return true
		}
		b = b[i+2:]
	}
}

// Each calls fn with the start and the end, before its newline, of each line of
// chunk that may be kept.
func (l *Lines) Each(chunk []byte, fn func(start, end int)) {
	needles := l.needles
	if len(needles) > 0 && l.anyDecoded() && hidden(chunk) {
		needles = nil
	}
	if len(needles) == 0 {
		All(chunk, fn)
		return
	}
	first := &needles[0]
	for from := 0; ; {
		at := first.next(chunk, from)
		if at < 0 {
			return
		}
		start, end := bytes.LastIndexByte(chunk[:at], '\n')+1, lineEnd(chunk, at)
		from = end
		if others(needles[1:], chunk[start:end]) {
			fn(start, end)
		}
	}
}

// All calls fn with the start and the end, before its newline, of each line.
func All(chunk []byte, fn func(start, end int)) {
	for start := 0; start < len(chunk); {
		end := lineEnd(chunk, start)
		fn(start, end)
		start = end + 1
	}
}

func (l *Lines) anyDecoded() bool {
	for i := range l.needles {
		if l.needles[i].decoded {
			return true
		}
	}
	return false
}

func others(needles []needle, line []byte) bool {
	for i := range needles {
		if needles[i].next(line, 0) < 0 {
			return false
		}
	}
	return true
}

func lineEnd(b []byte, from int) int {
	if i := bytes.IndexByte(b[from:], '\n'); i >= 0 {
		return from + i
	}
	return len(b)
}

// Parse makes an event of a line. Its time is not corrected yet.
func (l *Lines) Parse(line []byte, e *event.Event) {
	*e = event.Event{Raw: line, Node: l.node}
	if !l.parser.Parse(line, e) {
		format.Text(line, e)
	}
}

// Node is the node whose log the file is.
func (l *Lines) Node() string { return l.node }

// Time returns the time of a line.
func (l *Lines) Time(line []byte) (int64, bool) { return l.parser.Time(line) }

// Keep reports whether all conditions hold, but for those on time. m belongs to
// the caller's goroutine; nil if the filter has no query.
func (l *Lines) Keep(e *event.Event, m *Machine) bool {
	for i := range l.filter.Conds {
		if !l.filter.Conds[i].Keep(e) {
			return false
		}
	}
	return m == nil || m.Keep(e)
}
