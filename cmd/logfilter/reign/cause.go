package reign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// before is how long before the end of a reign a fault or an order may lie that has
// ended it: a leader goes on until its lease and its followers' patience are over.
const before = int64(3 * time.Second)

// Groups returns the groups' stories, in the order of their numbers.
func (r *Reader) Groups() []Group {
	byID := make(map[uint64]*Group)
	var ids []uint64
	for _, x := range r.reigns {
		g := byID[x.Group]
		if g == nil {
			g = &Group{ID: x.Group}
			byID[x.Group] = g
			ids = append(ids, x.Group)
		}
		if !x.Ended {
			x.To = r.last
			// Of a node whose log ends long before the others' it is not known whether
			// it leads on; that another one does, is.
			if lives := r.lives[x.Node]; len(lives) > 0 && r.last-lives[len(lives)-1].last > before && lives[len(lives)-1].stopped {
				x.To, x.Ended = lives[len(lives)-1].last, true
			}
		}
		g.Reigns = append(g.Reigns, x)
	}
	slices.Sort(ids)
	out := make([]Group, 0, len(ids))
	for _, id := range ids {
		g := byID[id]
		slices.SortStableFunc(g.Reigns, func(a, b Reign) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Term, b.Term)) })
		r.settle(g)
		out = append(out, *g)
	}
	return out
}

// settle ends each reign where the next begins at the latest, and says why.
func (r *Reader) settle(g *Group) {
	for i := range g.Reigns {
		x := &g.Reigns[i]
		if s := r.stallIn(x.Node, x.From, x.To); s != nil && i+1 < len(g.Reigns) && g.Reigns[i+1].From < s.to {
			// It learned of its end only when it ran again.
			x.Late, x.To, x.Ended = x.To, s.from, true
		}
		if i+1 == len(g.Reigns) {
			break
		}
		x.To = max(x.To, r.missed(x, g.Reigns[i+1].From))
		if next := &g.Reigns[i+1]; next.From < x.To || !x.Ended {
			if x.Ended && x.Late == 0 {
				x.Late = x.To
			}
			x.To, x.Ended = next.From, true
		}
	}
	for i := 1; i < len(g.Reigns); i++ {
		old, x := &g.Reigns[i-1], &g.Reigns[i]
		g.Without += time.Duration(max(0, x.From-old.To))
		x.Cause, x.Proof = r.why(g.ID, old, x)
	}
}

// missed returns when a leader was there at the least, whose process has ended: its
// log may end long before it did. 0 if nothing tells.
func (r *Reader) missed(x *Reign, next int64) int64 {
	if dead, _, _ := r.deathOf(x, next); !dead || x.said {
		return 0
	}
	if f := r.faultOf(x.Node, x.To, next); f != nil {
		return f.from
	}
	for _, s := range r.signs[x.Group] {
		if s.what == sayTimeout && s.of == x.Node && s.Time > x.To && s.Time < next {
			return s.Time
		}
	}
	return 0
}

func (r *Reader) stallIn(node string, from, to int64) *stall {
	for i := range r.stalls {
		if s := &r.stalls[i]; s.node == node && s.from < to && s.to > from {
			return s
		}
	}
	return nil
}

// why says what the logs prove of why x follows old.
func (r *Reader) why(group uint64, old, x *Reign) (cause string, proof []Evidence) {
	from, to := old.To-before, x.From
	from = max(from, old.From)
	add := func(at int64, node, text string) { proof = append(proof, Evidence{at, node, text}) }
	broken := r.faultOf(old.Node, from, to)
	if broken != nil {
		text := "fault: " + broken.text
		if broken.to != 0 {
			text += fmt.Sprintf(" (it ended after %s)", round(time.Duration(broken.to-broken.from)))
		}
		add(broken.from, strings.Join(slices.Sorted(slices.Values(broken.told)), ","), text)
	}
	if s := r.stallIn(old.Node, from, to); s != nil {
		cause = fmt.Sprintf("%s did not run for %s", old.Node, round(time.Duration(s.to-s.from)))
		add(s.said, old.Node, fmt.Sprintf("the process did not run for the last %s", round(time.Duration(s.to-s.from))))
	}
	if ended, text, at := r.deathOf(old, to); ended {
		cause = text
		add(at, old.Node, "the last line of its process"+r.lifeAfter(old.Node, at))
	}
	for _, s := range r.signs[group] {
		if s.Time < from || s.Time > to {
			continue
		}
		switch {
		case s.what == sayHands && s.Node == old.Node, s.what == sayTransfer && s.Node == old.Node:
			cause = cmp.Or(cause, old.Node+" handed over")
		case s.what == saySteps && s.Node == old.Node:
			cause = cmp.Or(cause, old.Node+" had lost its followers")
		case s.what == sayFails && s.Node == old.Node:
			cause = cmp.Or(cause, old.Node+"'s disk failed")
		case s.what == sayTimeout && s.Node == x.Node && s.of == old.Node:
		case strings.HasPrefix(s.what, "let "+x.Node+" "):
			cause = cmp.Or(cause, "the controller wanted it")
		default:
			continue
		}
		if n := len(proof); n > 0 && proof[n-1].Node == s.Node && proof[n-1].Text == s.Text {
			continue
		}
		proof = append(proof, s.Evidence)
	}
	if gap := x.From - old.To; gap > 0 {
		add(old.To, "", "nobody leads for "+round(time.Duration(gap)).String())
	}
	slices.SortStableFunc(proof, func(a, b Evidence) int { return cmp.Compare(a.Time, b.Time) })
	if cause == "" && slices.ContainsFunc(proof, func(e Evidence) bool { return strings.HasPrefix(e.Text, sayTimeout) }) {
		cause = x.Node + " heard nothing of " + old.Node + " any more"
	}
	switch {
	case broken != nil && cause != "":
		cause += ": " + kindOf(broken.text)
	case cause == "" && old.Node == x.Node:
		cause = "it was elected again; the logs do not tell why"
	case cause == "":
		cause = "the logs do not tell why"
	}
	return cause, proof
}

// kindOf are the words of a fault before its times.
func kindOf(text string) string {
	for _, word := range []string{" for ", " seed "} {
		text, _, _ = strings.Cut(text, word)
	}
	return "fault " + text
}

// faultOf returns the newest fault that was there between the times and that is
// about the node, or about nodes that it does not name.
func (r *Reader) faultOf(node string, from, to int64) *fault {
	for _, f := range slices.Backward(r.faults) {
		if f.from > to || f.to != 0 && f.to < from {
			continue
		}
		words := strings.FieldsFunc(f.text, func(c rune) bool { return c == ' ' || c == ',' })
		named := slices.ContainsFunc(words, func(w string) bool { return r.lives[w] != nil })
		if !named || slices.Contains(words, node) {
			return f
		}
	}
	return nil
}

// deathOf tells whether the old leader's process has ended before the new one led.
func (r *Reader) deathOf(old *Reign, to int64) (ended bool, text string, at int64) {
	lives := r.lives[old.Node]
	for i, p := range lives {
		if p.last < old.From || p.from > to {
			continue
		}
		again := i+1 < len(lives)
		switch {
		case p.stopped && p.last <= to+int64(time.Second):
			return true, old.Node + " stopped in order", p.last
		case again && p.last <= to:
			return true, old.Node + "'s process ended without a word", p.last
		case !again && !old.said && p.last <= to && r.last-p.last > before:
			return true, old.Node + "'s log ends", p.last
		}
	}
	return false, "", 0
}

// lifeAfter says when a node came back whose process has ended at a time.
func (r *Reader) lifeAfter(node string, at int64) string {
	for _, p := range r.lives[node] {
		if p.from > at {
			return fmt.Sprintf("; the next, %s later, is a start", round(time.Duration(p.from-at)))
		}
	}
	return "; its log does not go on"
}

// round keeps three or four digits of a length of time.
func round(d time.Duration) time.Duration {
	for unit := time.Microsecond; unit < time.Hour; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}
