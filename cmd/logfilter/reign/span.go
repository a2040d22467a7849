package reign

import "slices"

// Kinds of what lasted for a while on a node, or on all.
const (
	Down  = "down"  // its process had ended, and no other had begun
	Stall = "stall" // its process did not run
	Fault = "fault" // broken on purpose
)

// Span is something that lasted for a while.
type Span struct {
	Kind     string
	Node     string // "" for a fault: its text says whom it is about
	From, To int64
	Text     string
}

// Spans returns what lasted for a while, in the order in which it began.
func (r *Reader) Spans() []Span {
	var out []Span
	for node, lives := range r.lives {
		for i := 1; i < len(lives); i++ {
			text := "its process ended without a word"
			if lives[i-1].stopped {
				text = "it was stopped in order"
			}
			out = append(out, Span{Down, node, lives[i-1].last, lives[i].from, text})
		}
	}
	for _, s := range r.stalls {
		out = append(out, Span{Stall, s.node, s.from, s.to, "its process did not run"})
	}
	for _, f := range r.faults {
		to := f.to
		if to == 0 {
			to = r.last
		}
		out = append(out, Span{Fault, "", f.from, to, f.text})
	}
	slices.SortFunc(out, func(a, b Span) int {
		if a.From != b.From {
			return int(max(-1, min(1, a.From-b.From)))
		}
		return int(max(-1, min(1, a.To-b.To)))
	})
	return out
}
