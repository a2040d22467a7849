package group

import "time"

// gather decides how long a round of shared work waits for company. Clients in a
// closed loop come back as soon as they are answered; if the next round began
// with those alone who had waited meanwhile, two halves would take turns for
// ever, each waiting for the other's round: twice the latency, and twice as many
// rounds. So a round waits until as many have come as the last one answered or
// left waiting, but no longer than a part of what a round takes. If they do not
// come (clients that think before they ask again), it gives up waiting for a
// while, and for longer each time. Not safe for concurrent use.
type gather struct {
	expected int           // callers that are likely to come
	took     time.Duration // by the last round
	skip     int           // rounds that do not wait
	penalty  int           // rounds to skip after the next failure
}

const (
	// gatherShare is the part of a round's time that the next may wait.
	gatherShare = 2
	// gatherMost bounds the wait.
	gatherMost = 5 * time.Millisecond
	// minPenalty and maxPenalty bound for how many rounds a failure counts.
	minPenalty, maxPenalty = 1, 1024
)

// next returns how many callers to wait for, given that waiting do already, and
// for how long at most. 0: begin at once.
func (g *gather) next(waiting int) (want int, limit time.Duration) {
	if g.skip > 0 {
		g.skip--
		return 0, 0
	}
	if waiting >= g.expected || waiting == 0 {
		return 0, 0
	}
	return g.expected, min(g.took/gatherShare, gatherMost)
}

// gathered tells how a wait ended.
func (g *gather) gathered(all bool) {
	if all {
		g.penalty = minPenalty
		return
	}
	g.skip = max(g.penalty, minPenalty)
	g.penalty = min(2*g.skip, maxPenalty)
}

// finished notes a round: how many it answered, how many came meanwhile, and how
// long it took.
func (g *gather) finished(answered, waiting int, took time.Duration) {
	g.expected = answered + waiting
	g.took = took
}
