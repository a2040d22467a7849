// Package gather decides how long a round of shared work waits for company.
//
// Clients in a closed loop come back as soon as they are answered. If the next round
// began with those alone who had waited meanwhile, two halves would take turns for
// ever, each waiting for the other's round: twice the latency, and twice as many
// rounds, each of which costs several nodes what dozens of commands do.
//
// So a round waits for those of the last one who had come back promptly the time
// before, and for nobody else: of clients who think before they ask again, or who
// send at times of their own, none is waited for. If those do not come for once, it
// gives up waiting for a while, and for longer each time.
package gather

import "time"

// Rule says for whom to wait, and for how long. Times are in what a round takes, the
// mean of the last ones.
type Rule struct {
	// Prompt is within which time a caller comes back who is waited for. Where nodes
	// and clients want more processors than there are, they come when these have had
	// their turns.
	Prompt int
	// Patience is for how long a round waits.
	Patience int
	// Share is the part of the expected callers that is enough, above 0 and up to 1.
	Share float64
	// Most is how many share what a round costs well enough: a round with as many
	// waits for nobody.
	Most int
}

const (
	// longestRound is what a longer round counts as. It bounds every wait.
	longestRound = 8 * time.Millisecond
	// weight is the part of a round in the mean, of one.
	weight = 8
	// minPenalty and maxPenalty bound for how many rounds a failure counts.
	minPenalty, maxPenalty = 1, 1024
)

// Gather follows the rounds of one kind of work. It is not safe for concurrent use.
type Gather struct {
	rule     Rule
	expected int           // callers that are likely to come
	took     time.Duration // by rounds, the mean
	skip     int           // rounds that do not wait
	penalty  int           // rounds to skip after the next failure
}

// New returns a Gather for work that has had no round yet.
func New(rule Rule) *Gather { return &Gather{rule: rule} }

// Prompt tells whether a caller who was answered at one instant, zero for never, and
// came at another came back promptly.
func (g *Gather) Prompt(answered, came time.Time) bool {
	return !answered.IsZero() && came.Sub(answered) <= time.Duration(g.rule.Prompt)*g.took
}

// Next returns how many callers the next round shall have, given that waiting are
// there, and for how long to wait for them at most. 0: begin at once.
func (g *Gather) Next(waiting int) (want int, limit time.Duration) {
	if g.skip > 0 {
		g.skip--
		return 0, 0
	}
	want = min(int(float64(g.expected)*g.rule.Share), g.rule.Most)
	if waiting >= want || waiting == 0 {
		return 0, 0
	}
	return want, time.Duration(g.rule.Patience) * g.took
}

// Gathered tells how a wait ended: whether as many had come as Next wanted.
func (g *Gather) Gathered(all bool) {
	if all {
		g.penalty = minPenalty
		return
	}
	g.skip = max(g.penalty, minPenalty)
	g.penalty = min(2*g.skip, maxPenalty)
}

// Finished notes a round: how many of those that it answered had come promptly, how
// many came meanwhile, and how long it took.
func (g *Gather) Finished(prompt, waiting int, took time.Duration) {
	g.expected = prompt + waiting
	took = min(took, longestRound)
	if g.took == 0 {
		g.took = took
	}
	g.took += (took - g.took) / weight
}
