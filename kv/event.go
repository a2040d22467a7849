package kv

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one thing that the cluster decided or that happened to it, for people:
// what GET /v1/events streams and `raftkv events` prints.
//
// There are two sorts. A change of the shard map has the Epoch that it made. It is in
// the log of the controller's group, so every node has it and none is ever lost. All
// else (who leads, who is silent, how far a migration is) has the number Seq that the
// controller's leader gave it. It is soft state: what that leader knew and told
// nobody dies with it.
type Event struct {
	// ID is the position in the stream after this event.
	ID    string    `json:"id"`
	Time  time.Time `json:"time"` // by the clock of the controller's leader, to the ms
	Kind  EventKind `json:"kind"`
	Node  string    `json:"node,omitempty"`
	Group uint32    `json:"group"` // 0, the controller's, for what concerns the cluster
	Epoch uint64    `json:"epoch,omitempty"`
	Seq   uint64    `json:"seq,omitempty"`
	Term  uint64    `json:"term,omitempty"` // of EventLeader
	Text  string    `json:"text"`
	// Reason says why, if there is more to say than the text does.
	Reason string `json:"reason,omitempty"`
}

// EventKind says what an event is about. A change of the map has the name of the
// command that made it: "put-node", "add-replica", "start-migration" and so on; see
// package controller.
type EventKind string

// The kinds of events that are no change of the map.
const (
	EventLeader  EventKind = "leader"           // another leader, or another term
	EventLetLead EventKind = "let-lead"         // the balancer wants another leader
	EventSilent  EventKind = "node-silent"      // a node does not answer
	EventAnswers EventKind = "node-answers"     // it does again
	EventMoving  EventKind = "migration-moving" // how far a migration is that takes long
	EventFault   EventKind = "fault"            // a fault that was ordered begins or ends
)

// String returns the text with its reason.
func (e Event) String() string {
	if e.Reason == "" {
		return e.Text
	}
	return e.Text + ": " + e.Reason
}

// Repeats tells whether e is the word of another leader of the controller for what
// an earlier one has told as old: one that was cut off tells things that never reach
// its successor, which then tells them, too.
func (e Event) Repeats(old Event) bool {
	switch {
	case e.Kind != old.Kind:
		return false
	case e.Kind == EventLeader:
		return e.Group == old.Group && e.Term == old.Term && e.Node == old.Node
	}
	return e.Kind == EventFault && e.Text == old.Text
}

// EventPosition is how far somebody has read the stream of events: up to an epoch
// and a number. It means the same on all nodes, so whoever reads may go on elsewhere.
type EventPosition struct{ Epoch, Seq uint64 }

// String returns the position as it stands in Event.ID.
func (p EventPosition) String() string { return fmt.Sprintf("%d.%d", p.Epoch, p.Seq) }

// Before tells whether e comes after what was read.
func (p EventPosition) Before(e Event) bool {
	return e.Epoch > p.Epoch || e.Epoch == 0 && e.Seq > p.Seq
}

// After returns the position after e, for one who reads in order.
func (p EventPosition) After(e Event) EventPosition {
	return EventPosition{Epoch: max(p.Epoch, e.Epoch), Seq: max(p.Seq, e.Seq)}
}

// ParseEventPosition reads what String wrote.
func ParseEventPosition(text string) (p EventPosition, err error) {
	epoch, seq, ok := strings.Cut(text, ".")
	if ok {
		p.Epoch, err = strconv.ParseUint(epoch, 10, 64)
	}
	if ok && err == nil {
		p.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if !ok || err != nil {
		return EventPosition{}, fmt.Errorf("%q is no position in the stream of events: take the id of an event", text)
	}
	return p, nil
}
