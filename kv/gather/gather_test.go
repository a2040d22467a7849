package gather

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestWaitsForThoseWhoComeBackAtOnce(t *testing.T) {
	g := New(all)
	if want, _ := g.Next(3); want != 0 {
		t.Errorf("the first round waits for %d", want)
	}
	now := time.Now()
	if g.Prompt(now, now.Add(1)) {
		t.Error("somebody was prompt before there was a round")
	}
	g.Finished(8, 8, 2*time.Millisecond)
	if g.Prompt(time.Time{}, now) || g.Prompt(now, now.Add(5*time.Millisecond)) || !g.Prompt(now, now.Add(4*time.Millisecond)) {
		t.Error("prompt is who comes back within the time of two rounds")
	}
	want, limit := g.Next(8)
	if want != 16 || limit != 6*time.Millisecond {
		t.Errorf("waits for %d in %v, want 16 in 6ms", want, limit)
	}
	if want, _ := g.Next(16); want != 0 {
		t.Error("waits although all are there")
	}
	g.Finished(300, 0, time.Millisecond)
	if want, _ := g.Next(255); want != all.Most {
		t.Errorf("waits for %d, at most for %d", want, all.Most)
	}
	if want, _ := g.Next(0); want != 0 {
		t.Error("waits although nobody does")
	}
	for range 1000 {
		g.Finished(16, 0, time.Minute)
	}
	if _, limit := g.Next(1); limit > 3*longestRound {
		t.Errorf("waits up to %v", limit)
	}
}

// Callers who do not come back cost less and less.
func TestGivesUp(t *testing.T) {
	g := New(all)
	waits := 0
	for range 10000 {
		g.Finished(4, 4, time.Millisecond)
		if want, _ := g.Next(4); want != 0 {
			waits++
			g.Gathered(false)
		}
	}
	if waits < 5 || waits > 25 {
		t.Errorf("%d of 10000 rounds waited in vain", waits)
	}
	// One that comes back ends the caution.
	g.skip = 0
	g.Gathered(true)
	g.Finished(4, 4, time.Millisecond)
	g.Gathered(false)
	if g.skip > minPenalty {
		t.Errorf("skips %d rounds after a single failure", g.skip)
	}
}

// all waits for everybody, and most for most of them.
var (
	all  = Rule{Prompt: 2, Patience: 3, Share: 1, Most: 256}
	most = Rule{Prompt: 4, Patience: 4, Share: 0.75, Most: 128}
)

// model is a server that makes rounds, and its clients, in simulated time.
type model struct {
	rule    Rule
	clients int
	round   func(n int) time.Duration                                 // what a round of n callers takes
	pause   func(client int) time.Duration                            // from an answer to the next call
	decide  func(g *Gather, waiting int) (w int, limit time.Duration) // Gather.Next, or nobody waits
}

// outcome is what clients saw.
type outcome struct {
	latency  time.Duration // mean of all calls
	perRound float64       // callers in a round
	calls    []int         // of each client
}

func (m model) run(total int) outcome {
	type call struct {
		client int
		at     time.Duration
	}
	epoch := time.Now()
	at := func(d time.Duration) time.Time { return epoch.Add(time.Hour + d) }
	answered := make([]time.Time, m.clients)
	var coming []call // sorted
	come := func(c call) {
		i, _ := slices.BinarySearchFunc(coming, c, func(a, b call) int { return int(a.at - b.at) })
		coming = slices.Insert(coming, i, c)
	}
	for c := range m.clients {
		come(call{c, m.pause(c)})
	}
	g := New(m.rule)
	o := outcome{calls: make([]int, m.clients)}
	var now, sum time.Duration
	rounds, done := 0, 0
	waiting := func() int {
		n, _ := slices.BinarySearchFunc(coming, call{at: now + 1}, func(a, b call) int { return int(a.at - b.at) })
		return n
	}
	for done < total {
		now = max(now, coming[0].at)
		want, limit := m.decide(g, waiting())
		if want > 0 {
			if until := now + limit; want <= len(coming) && coming[want-1].at <= until {
				now = max(now, coming[want-1].at)
				g.Gathered(true)
			} else {
				now = until
				g.Gathered(false)
			}
		}
		n := waiting()
		batch := slices.Clone(coming[:n])
		coming = coming[n:]
		took := m.round(n)
		now += took
		prompt := 0
		for _, c := range batch {
			if g.Prompt(answered[c.client], at(c.at)) {
				prompt++
			}
			answered[c.client] = at(now)
			o.calls[c.client]++
			sum += now - c.at
		}
		g.Finished(prompt, waiting(), took)
		for _, c := range batch {
			come(call{c.client, now + m.pause(c.client)})
		}
		rounds++
		done += n
	}
	o.latency, o.perRound = sum/time.Duration(done), float64(done)/float64(rounds)
	return o
}

// compare runs the model with gather and without.
func (m model) compare(total int) (with, without outcome) {
	m.decide = (*Gather).Next
	with = m.run(total)
	m.decide = func(*Gather, int) (int, time.Duration) { return 0, 0 }
	return with, m.run(total)
}

const modelRound = time.Millisecond

func modelTook(n int) time.Duration { return modelRound + time.Duration(n)*5*time.Microsecond }

// Clients in a closed loop form one round, even if some take longer to come back.
func TestClosedLoop(t *testing.T) {
	for _, rule := range []Rule{all, most} {
		for _, clients := range []int{2, 8, 64, 256} {
			rng := rand.New(rand.NewPCG(1, 2))
			with, without := model{rule: rule, clients: clients, round: modelTook, pause: func(int) time.Duration {
				return 100*time.Microsecond + time.Duration(rng.Int64N(int64(1500*time.Microsecond)))
			}}.compare(100 * 1000)
			t.Logf("%v, %d clients: %.1f a round (%.1f if none waits), %v (%v)", rule, clients, with.perRound, without.perRound, with.latency, without.latency)
			if with.perRound < 0.9*min(rule.Share*float64(clients), float64(rule.Most))-0.5 {
				t.Errorf("%v, %d clients: %.1f a round", rule, clients, with.perRound)
			}
			if without.perRound > 0.6*float64(clients) {
				t.Errorf("%d clients: %.1f a round without a wait: this test shows nothing", clients, without.perRound)
			}
		}
	}
}

// Clients who send at times of their own are not kept waiting.
func TestOpenLoop(t *testing.T) {
	for _, rule := range []Rule{all, most} {
		for _, rate := range []float64{100, 1000, 4000, 8000} { // calls a second
			for _, clients := range []int{64, 1000} {
				rng := rand.New(rand.NewPCG(3, 4))
				mean := float64(clients) / rate * float64(time.Second)
				with, without := model{rule: rule, clients: clients, round: modelTook, pause: func(int) time.Duration {
					return time.Duration(-mean * math.Log(1-rng.Float64()))
				}}.compare(20 * 1000)
				t.Logf("%v, %.0f calls/s of %d clients: %v, %v if none waits", rule, rate, clients, with.latency, without.latency)
				if with.latency > without.latency*5/4 {
					t.Errorf("%v, %.0f calls/s of %d clients: %v, %v if none waits", rule, rate, clients, with.latency, without.latency)
				}
			}
		}
	}
}

// One client who comes seldom does not slow down those who come always.
func TestLateComer(t *testing.T) {
	for _, rule := range []Rule{all, most} {
		with, without := model{rule: rule, clients: 5, round: modelTook, pause: func(client int) time.Duration {
			if client == 0 {
				return 10 * modelRound
			}
			return 50 * time.Microsecond
		}}.compare(50 * 1000)
		if with.calls[1] < without.calls[1] {
			t.Errorf("%v: a quick client made %d calls, %d if none waits", rule, with.calls[1], without.calls[1])
		}
		if with.latency > without.latency*5/4 {
			t.Errorf("%v: %v, %v if none waits", rule, with.latency, without.latency)
		}
	}
}
