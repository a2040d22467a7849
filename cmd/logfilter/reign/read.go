package reign

import (
	"slices"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
)

// hole is how long a process must have written nothing to be worth a note, in ns.
const hole = int64(300 * time.Millisecond)

// Event takes the next line.
func (r *Reader) Event(e *event.Event) {
	if !e.HasTime {
		return
	}
	if !r.begun {
		r.first, r.begun = e.Time, true
	}
	r.last = max(r.last, e.Time)
	r.live(e)
	switch {
	case e.Topic == "fault":
		r.fault(e)
	case e.Msg == sayStalled:
		r.stalled(e)
	default: // a program with one group does not number it
		r.lead(e)
	}
}

// live notes that e's process is alive.
func (r *Reader) live(e *event.Event) {
	lives := r.lives[e.Node]
	if len(lives) == 0 || e.Topic == "node" && e.Msg == sayStarting {
		r.end(e.Node, lives)
		r.lives[e.Node] = append(lives, process{from: e.Time, last: e.Time})
		return
	}
	p := &lives[len(lives)-1]
	if e.Time-p.last > hole {
		p.holeFrom, p.holeTo = p.last, e.Time
	}
	p.last = max(p.last, e.Time)
	if e.Topic == "node" && e.Msg == sayStopped {
		p.stopped = true
	}
}

// end ends the reigns of a process that is no more.
func (r *Reader) end(node string, lives []process) {
	if len(lives) == 0 {
		return
	}
	for key := range r.open {
		if key.node == node {
			r.close(key, lives[len(lives)-1].last)
		}
	}
}

func (r *Reader) close(key replicaKey, at int64) {
	if i, ok := r.open[key]; ok {
		r.reigns[i].To, r.reigns[i].Ended = at, true
		delete(r.open, key)
	}
}

// lead follows raft's states.
func (r *Reader) lead(e *event.Event) {
	key := replicaKey{e.Node, e.Group.Value}
	msg := e.Msg
	switch msg {
	case sayCandidate, sayWon:
		if e.Term.Set {
			r.terms[key] = e.Term.Value
		}
	case sayLeads:
		r.close(key, e.Time)
		r.open[key] = len(r.reigns)
		r.reigns = append(r.reigns, Reign{Group: key.group, Node: e.Node, Term: r.terms[key], From: e.Time})
	case sayServes:
		i, ok := r.open[key]
		if !ok { // the log's beginning is missing
			i = len(r.reigns)
			r.open[key] = i
			r.reigns = append(r.reigns, Reign{Group: key.group, Node: e.Node, From: e.Time})
		}
		if e.Term.Set {
			r.reigns[i].Term = e.Term.Value
		}
	case sayFollows:
		if i, leads := r.open[key]; leads {
			r.reigns[i].said = true
		}
		r.close(key, e.Time)
	}
	of := ""
	switch msg {
	case sayTimeout:
		leader := text(e, "last-leader-id")
		if leader == "" { // it had none: its election does not end another's reign
			return
		}
		of, _, _ = strings.Cut(leader, ".")
		msg += " (it has heard nothing of " + of + ")"
	case sayHands:
		if to := text(e, "to"); to != "" {
			msg += " to " + to
		}
	case sayFails:
		msg += ": " + text(e, "error")
	case saySteps, sayTransfer:
	default:
		if !strings.HasPrefix(msg, "let ") || e.Topic != "leadership" {
			return
		}
	}
	r.signs[key.group] = append(r.signs[key.group], sign{Evidence{e.Time, e.Node, msg}, e.Msg, of})
}

// fault notes that a fault begins or ends. Each node tells of it.
func (r *Reader) fault(e *event.Event) {
	if e.Msg != sayFault && e.Msg != sayFaultEnds {
		return
	}
	id := text(e, "id")
	at := slices.IndexFunc(r.faults, func(f *fault) bool { return f.id == id })
	switch {
	case e.Msg == sayFaultEnds && at >= 0:
		r.faults[at].to = e.Time
	case e.Msg == sayFault && at >= 0:
		if f := r.faults[at]; !slices.Contains(f.told, e.Node) {
			f.told = append(f.told, e.Node)
		}
	case e.Msg == sayFault:
		r.faults = append(r.faults, &fault{id: id, text: text(e, "fault"), from: e.Time, told: []string{e.Node}})
	}
}

// stalled notes that a process did not run.
func (r *Reader) stalled(e *event.Event) {
	d, err := time.ParseDuration(text(e, "for"))
	if err != nil {
		return
	}
	// It looks a few times a second whether it runs: what it wrote since, it did. And
	// others of its goroutines may have written before this one.
	from, to := e.Time-int64(d), e.Time
	if lives := r.lives[e.Node]; len(lives) > 0 {
		if p := lives[len(lives)-1]; p.holeTo > from {
			from, to = max(from, p.holeFrom), p.holeTo
		}
	}
	r.stalls = append(r.stalls, stall{node: e.Node, from: from, to: to, said: e.Time})
}
