package diagram

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/reign"
)

// Bounds of what is drawn of a kind: more nobody can see, nor a browser draw. What
// is beyond is thinned out evenly, and a note says so.
const (
	mostMessages = 3000
	mostMarks    = 4000
	mostLines    = 4000
)

// Options say what a collector keeps.
type Options struct {
	Since, Until int64
	Group        func(uint64) bool // nil: all
	// Line tells whether a line of a log is shown beside the diagram.
	Line func(*event.Event) bool
	// Text is a line as it is shown there.
	Text func(*event.Event) string
}

// Collector makes a diagram of what lines tell. Feed it all lines in the order of
// time.
type Collector struct {
	opts     Options
	reader   *reign.Reader
	nodes    []string
	known    map[string]int
	begun    bool
	first    int64
	last     int64
	messages map[string]*thinned[messageKey, *sketch] // by kind
	marks    map[string]*thinned[int, mark]           // by kind
	lines    []line
	cut      int // lines that had no room
	serial   int
	// traced are the seconds in which a node wrote a trace, by node.
	traced map[string]map[int64]bool
}

type messageKey struct {
	node   string
	number uint64
}

// sketch is a message as its lines come in.
type sketch struct {
	Message
	from, to                           string
	sent, received, answered, returned int64
}

type mark struct {
	Mark
	at int64
}

type line struct {
	Line
	at int64
}

// NewCollector returns an empty collector.
func NewCollector(o Options) *Collector {
	return &Collector{
		traced: make(map[string]map[int64]bool), opts: o, reader: reign.NewReader(), known: make(map[string]int),
		messages: make(map[string]*thinned[messageKey, *sketch]), marks: make(map[string]*thinned[int, mark]),
	}
}

// Event takes the next line.
func (c *Collector) Event(e *event.Event) {
	c.reader.Event(e)
	if !e.HasTime || e.Time < c.opts.Since || e.Time > c.opts.Until {
		return
	}
	if !c.begun {
		c.first, c.begun = e.Time, true
	}
	c.last = max(c.last, e.Time)
	node := c.node(e.Node)
	if e.Group.Set && c.opts.Group != nil && !c.opts.Group(e.Group.Value) {
		return
	}
	if e.Level == event.Trace {
		c.note(e)
	}
	if way, there := e.Attr("way"); there && isWay(way.Text) {
		c.message(e, way.Text)
		return
	}
	if kind := markOf(e); kind != "" {
		c.serial++
		most := mostMarks
		m := mark{Mark{Kind: kind, Node: node, Group: group(e), Text: c.opts.Text(e)}, e.Time}
		of(c.marks, kind, most).put(c.serial, uint64(c.serial), m)
	}
	if e.Level != event.Trace && c.opts.Line(e) {
		if len(c.lines) >= mostLines {
			c.cut++
			return
		}
		c.lines = append(c.lines, line{Line{Node: node, Level: e.Level.String(), Topic: strings.Clone(e.Topic), Group: group(e), Text: c.opts.Text(e)}, e.Time})
	}
}

// note remembers that a node wrote a trace.
func (c *Collector) note(e *event.Event) {
	seconds := c.traced[e.Node]
	if seconds == nil {
		seconds = make(map[int64]bool)
		c.traced[strings.Clone(e.Node)] = seconds
	}
	seconds[e.Time/1e9] = true
}

// unseen tells whether nothing could be known of a message that a node got at a time:
// it wrote no trace, although its process was there.
func (c *Collector) unseen(node string, at int64, spans []reign.Span) bool {
	for _, s := range spans {
		if s.Node == node && s.From <= at && at <= s.To {
			return false
		}
	}
	for s := at/1e9 - 1; s <= at/1e9+2; s++ {
		if c.traced[node][s] {
			return false
		}
	}
	return true
}

func (c *Collector) node(name string) int {
	i, ok := c.known[name]
	if !ok {
		i = len(c.nodes)
		name = strings.Clone(name)
		c.known[name] = i
		c.nodes = append(c.nodes, name)
	}
	return i
}

func group(e *event.Event) int {
	if !e.Group.Set {
		return -1
	}
	return int(e.Group.Value)
}

// markOf is the kind of mark that a line is worth, or "".
func markOf(e *event.Event) string {
	switch {
	case e.Msg == "stored" && e.Level == event.Trace:
		return "stored"
	case e.Msg == "applied" && e.Level == event.Trace:
		return "applied"
	case e.Level == event.Trace && e.Msg != "error answered":
		return ""
	case e.Msg == "entering leader state":
		return "leader"
	case e.Msg == "entering candidate state":
		return "election"
	case e.Topic == "fault", e.Topic == "migration", e.Topic == "snapshot":
		return e.Topic
	case e.Topic == "node" && e.Msg == "starting":
		return "start"
	case e.Topic == "node" && e.Msg == "stopped":
		return "stop"
	case e.Level >= event.Error:
		return "error"
	case e.Level == event.Warn, e.Msg == "error answered":
		return "warn"
	}
	return ""
}

func number(e *event.Event, name string) uint64 {
	v, _ := e.Attr(name)
	n, _ := strconv.ParseUint(v.Text, 10, 64)
	return n
}

// isWay tells whether a word says where a message is: other logs have fields of that
// name, too.
func isWay(word string) bool {
	switch word {
	case "sent", "received", "answered", "returned":
		return true
	}
	return false
}

// message puts a line to the others of its message.
func (c *Collector) message(e *event.Event, way string) {
	peer, _ := e.Attr("peer")
	key := messageKey{e.Node, number(e, "message")}
	from, to := e.Node, peer.Text
	if way == "received" || way == "answered" {
		key.node, from, to = peer.Text, peer.Text, e.Node
	}
	kind := strings.TrimSuffix(e.Msg, " "+way)
	switch kind {
	case "heartbeats":
		kind = Beat
	case "append":
		if v, there := e.Attr("entries"); there && v.Text == "0" || !there && c.find(Empty, key) != nil {
			kind = Empty
		}
	}
	s := c.find(kind, key)
	if s == nil {
		if way == "answered" || way == "returned" {
			return // its beginning was thinned out, or is outside
		}
		if part := c.messages[kind]; way == "received" && part != nil && !part.keeps(key.number) {
			return // counted when it was sent
		}
		s = &sketch{from: strings.Clone(from), to: strings.Clone(to)}
		s.Kind, s.Group, s.Term, s.Index, s.Entries = strings.Clone(kind), group(e), e.Term.Value, e.Index.Value, number(e, "entries")
		key.node = strings.Clone(key.node)
		of(c.messages, s.Kind, mostMessages).put(key, key.number, s)
	}
	switch way {
	case "sent":
		s.sent = e.Time
	case "received":
		s.received = e.Time
	case "answered":
		s.answered = e.Time
		c.outcome(s, e)
	case "returned":
		if v, failed := e.Attr("error"); failed {
			s.Outcome = strings.Clone(v.Text)
			return
		}
		s.returned = e.Time
	}
}

func (c *Collector) outcome(s *sketch, e *event.Event) {
	for _, name := range []string{"granted", "success"} {
		if v, there := e.Attr(name); there {
			s.Outcome, s.Refused = name, v.Text == "false"
			if s.Refused {
				s.Outcome = "not " + name
			}
		}
	}
}

func (c *Collector) find(kind string, key messageKey) *sketch {
	if t := c.messages[kind]; t != nil {
		if s, ok := t.kept[key]; ok {
			return s
		}
	}
	return nil
}

// Data returns the diagram.
func (c *Collector) Data() *Data {
	c.orderNodes()
	first := c.first - (c.last-c.first)/200
	at := func(t int64) float64 { return float64((t-first)/1000) / 1000 }
	maybe := func(t int64) *float64 {
		if t == 0 {
			return nil
		}
		v := at(t)
		return &v
	}
	d := &Data{Start: first / 1e6, Span: at(c.last), Nodes: c.nodes, Notes: []string{}, Messages: []Message{}, Reigns: []Reign{}, Marks: []Mark{}, Spans: []Span{}, Lines: []Line{}}
	spans := c.reader.Spans()
	for kind, t := range c.messages {
		if t.seen > len(t.kept) {
			d.Notes = append(d.Notes, fmt.Sprintf("%d of %d %ss are drawn", len(t.kept), t.seen, kindName(kind)))
		}
		for _, s := range t.kept {
			if s.sent == 0 && s.received == 0 {
				continue // at the first moment of a log that counts from its start
			}
			m := s.Message
			m.From, m.To = c.node(s.from), c.node(s.to)
			m.Unseen = s.received == 0 && c.unseen(s.to, s.sent, spans)
			m.Sent, m.Received, m.Answered, m.Returned = maybe(s.sent), maybe(s.received), maybe(s.answered), maybe(s.returned)
			d.Messages = append(d.Messages, m)
		}
	}
	slices.SortFunc(d.Messages, func(a, b Message) int { return compareTimes(begin(a), begin(b)) })
	for kind, t := range c.marks {
		if t.seen > len(t.kept) {
			d.Notes = append(d.Notes, fmt.Sprintf("%d of %d marks of kind %q are drawn", len(t.kept), t.seen, kind))
		}
		for _, m := range t.kept {
			m.At = at(m.at)
			d.Marks = append(d.Marks, m.Mark)
		}
	}
	slices.SortFunc(d.Marks, func(a, b Mark) int { return compareTimes(a.At, b.At) })
	for _, g := range c.reader.Groups() {
		if c.opts.Group != nil && !c.opts.Group(g.ID) {
			continue
		}
		for _, x := range g.Reigns {
			if x.To >= c.first && x.From <= c.last {
				d.Reigns = append(d.Reigns, Reign{c.node(x.Node), g.ID, x.Term, at(max(first, x.From)), at(min(c.last, x.To)), x.Cause})
			}
		}
	}
	for _, s := range spans {
		if s.To < c.first || s.From > c.last {
			continue
		}
		node := -1
		if s.Node != "" {
			node = c.node(s.Node)
		}
		d.Spans = append(d.Spans, Span{s.Kind, node, at(max(first, s.From)), at(min(c.last, s.To)), s.Text})
	}
	for _, l := range c.lines {
		l.At = at(l.at)
		d.Lines = append(d.Lines, l.Line)
	}
	slices.SortStableFunc(d.Lines, func(a, b Line) int { return compareTimes(a.At, b.At) })
	if c.cut > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d more lines had no room", c.cut))
	}
	slices.Sort(d.Notes)
	d.Nodes = c.nodes
	d.Title = fmt.Sprintf("%d nodes, %s", len(c.nodes), time.Duration(c.last-c.first).Round(time.Millisecond))
	return d
}

// orderNodes numbers the nodes by their names, n2 before n10.
func (c *Collector) orderNodes() {
	old := slices.Clone(c.nodes)
	slices.SortFunc(c.nodes, func(a, b string) int {
		if len(a) != len(b) && strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	now := make([]int, len(old))
	for i, name := range c.nodes {
		c.known[name] = i
		now[slices.Index(old, name)] = i
	}
	for _, t := range c.marks {
		for key, m := range t.kept {
			m.Node = now[m.Node]
			t.kept[key] = m
		}
	}
	for i := range c.lines {
		c.lines[i].Node = now[c.lines[i].Node]
	}
}

func begin(m Message) float64 {
	if m.Sent != nil {
		return *m.Sent
	}
	return *m.Received
}

func compareTimes(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func kindName(kind string) string {
	if kind == Empty {
		return "empty append"
	}
	return kind
}
