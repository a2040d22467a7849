// Package diagram draws what nodes did and said to each other: time goes down, each
// node is a lane, each message an arrow from where it was sent to where it arrived.
package diagram

// Data is what a picture shows. Times are milliseconds since Start. It becomes JSON
// in the HTML page, so names are short.
type Data struct {
	Title string   `json:"title"`
	Start int64    `json:"start"` // ms since 1970
	Span  float64  `json:"span"`
	Nodes []string `json:"nodes"`
	Notes []string `json:"notes"` // what was left out

	Messages []Message `json:"messages"`
	Reigns   []Reign   `json:"reigns"`
	Marks    []Mark    `json:"marks"`
	Spans    []Span    `json:"spans"`
	Lines    []Line    `json:"lines"`
}

// Kinds of messages.
const (
	Append    = "append"
	Empty     = "empty" // an append without entries: it tells of a commit
	Beat      = "heartbeat"
	Vote      = "vote"
	PreVote   = "pre-vote"
	Snapshot  = "snapshot"
	TimeoutNo = "election now"
)

// Message is a request and its answer. A time that no line tells is absent.
type Message struct {
	Kind     string   `json:"k"`
	From     int      `json:"f"` // index of the node
	To       int      `json:"t"`
	Sent     *float64 `json:"s,omitempty"`
	Received *float64 `json:"r,omitempty"`
	Answered *float64 `json:"a,omitempty"`
	Returned *float64 `json:"b,omitempty"`
	Group    int      `json:"g"` // -1: of several
	Term     uint64   `json:"m,omitempty"`
	Index    uint64   `json:"i,omitempty"`
	Entries  uint64   `json:"n,omitempty"`
	Outcome  string   `json:"o,omitempty"` // what the answer says, or why none came
	Refused  bool     `json:"x,omitempty"`
	// Unseen: the receiver wrote no trace at the time, so nobody knows whether it came.
	Unseen bool `json:"u,omitempty"`
}

// Reign is when a node led a group.
type Reign struct {
	Node  int     `json:"n"`
	Group uint64  `json:"g"`
	Term  uint64  `json:"m"`
	From  float64 `json:"f"`
	To    float64 `json:"t"`
	Cause string  `json:"c,omitempty"`
}

// Mark is a moment on a node.
type Mark struct {
	Kind  string  `json:"k"` // election, leader, stored, applied, snapshot, migration, membership, fault, start, stop, warn, error
	Node  int     `json:"n"`
	At    float64 `json:"t"`
	Group int     `json:"g"`
	Text  string  `json:"x"`
}

// Span is something that lasted; see reign.Span. Node is -1 for all.
type Span struct {
	Kind string  `json:"k"`
	Node int     `json:"n"`
	From float64 `json:"f"`
	To   float64 `json:"t"`
	Text string  `json:"x"`
}

// Line is a line of a log.
type Line struct {
	At    float64 `json:"t"`
	Node  int     `json:"n"`
	Level string  `json:"l,omitempty"`
	Topic string  `json:"p,omitempty"`
	Group int     `json:"g"`
	Text  string  `json:"x"`
}
