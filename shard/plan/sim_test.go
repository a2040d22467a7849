package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"raftkv/shard"
	"raftkv/shard/heat"
)

// sim is a cluster that does what it is told: a round is a second, after which
// replicas have caught up and migrations have ended.
type sim struct {
	fatal   func(format string, args ...any)
	rng     *rand.Rand
	m       *shard.Map
	nodes   map[string]Node
	down    map[string]bool
	leaders map[uint32]string
	heat    []heat.SlotHeat
	seen    [shard.Slots]float64 // what counters with a half-life of five seconds show
	lag     bool                 // show the planner that, not the truth
	noise   float64              // each slot's heat varies by up to this share from round to round
	recent  Recent
	opt     Options
	now     time.Time
	asks    map[string]bool // nodes whose replica of group 0 was removed
	last    uint32          // group that was added
	moves   int             // migrations begun
	moved   int             // slots
	copies  int             // replicas added
	notes   []string
}

func newSim(fatal func(string, ...any), seed uint64, nodes int, opt Options) *sim {
	s := &sim{
		fatal: fatal, rng: rand.New(rand.NewPCG(seed, 7)), opt: opt, now: time.Unix(1_700_000_000, 0),
		m:     &shard.Map{Epoch: 1, Balance: true},
		nodes: map[string]Node{}, down: map[string]bool{}, leaders: map[uint32]string{}, asks: map[string]bool{},
		recent: Recent{Slots: map[uint16]time.Time{}, Leaders: map[uint32]time.Time{}},
	}
	for range nodes {
		s.join()
	}
	s.m.Groups = []shard.Group{{ID: shard.Controller, Founded: true, Replicas: []shard.Replica{{Node: "n1", ID: "n1.1", Voter: true}}}}
	return s
}

func (s *sim) join() string {
	id := fmt.Sprintf("n%d", len(s.m.Nodes)+1)
	s.m.Nodes = append(s.m.Nodes, shard.Node{ID: id, State: shard.Active})
	slices.SortFunc(s.m.Nodes, func(a, b shard.Node) int { return cmpText(a.ID, b.ID) })
	s.nodes[id] = Node{}
	return id
}

func cmpText(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func (s *sim) input() Input {
	in := Input{Map: s.m.Clone(), Nodes: s.nodes, Leaders: s.leaders, Heat: s.heat, Recent: s.recent, Options: s.opt, Now: s.now}
	if s.heat == nil {
		in.Heat = []heat.SlotHeat{} // known to be none
	}
	if s.lag {
		in.Heat = slotHeat(func(slot int) float64 { return s.seen[slot] })
	}
	if s.noise > 0 {
		in.Heat = slices.Clone(in.Heat)
		for i := range in.Heat {
			in.Heat[i].Reads *= 1 + s.noise*(2*s.rng.Float64()-1)
		}
	}
	return in
}

// round lets a second pass, plans, and does what the plan says.
func (s *sim) round() []Action {
	s.pass(time.Second)
	s.settle()
	in := s.input()
	actions, notes := Explain(in)
	s.notes = notes
	s.rng.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] }) // any order is safe
	for _, a := range actions {
		if a.Reason == "" {
			s.fatal("%v has no reason", a)
		}
		s.do(a)
		if err := s.m.Check(); err != nil {
			s.fatal("after %v: %v", a, err)
		}
	}
	return actions
}

// settle ends what was begun in the last round.
func (s *sim) settle() {
	s.seat()
	for i := range s.m.Groups {
		g := &s.m.Groups[i]
		voters, live := s.quorum(g)
		if len(live) < voters/2+1 {
			delete(s.leaders, g.ID)
			continue
		}
		g.Founded = true
		if !slices.Contains(live, s.leaders[g.ID]) {
			s.leaders[g.ID] = live[s.rng.IntN(len(live))]
		}
		for s.promote(g) {
		}
	}
	for _, x := range s.m.Migrations {
		for _, r := range x.Slots {
			for slot := int(r.From()); slot <= int(r.To()); slot++ {
				s.m.Owner[slot] = x.To
				s.recent.Slots[uint16(slot)] = s.now
			}
		}
	}
	s.m.Migrations = nil
}

// seat gives running nodes a replica of group 0 if they have lost it: they ask for it
// themselves, whatever the planner thinks of them.
func (s *sim) seat() {
	g := s.m.Group(shard.Controller)
	for _, n := range s.m.Nodes {
		if !s.asks[n.ID] || s.down[n.ID] {
			continue
		}
		delete(s.asks, n.ID)
		if g.On(n.ID) == nil {
			s.m.Epoch++
			s.place(g, n.ID)
		}
	}
}

// place adds a replica without a vote.
func (s *sim) place(g *shard.Group, node string) {
	g.Replicas = append(g.Replicas, shard.Replica{Node: node, ID: fmt.Sprintf("%s.%d", node, s.m.Epoch)})
	slices.SortFunc(g.Replicas, func(a, b shard.Replica) int { return cmpText(a.Node, b.Node) })
}

// promote gives the next vote in a group, and tells whether there was one to give.
func (s *sim) promote(g *shard.Group) bool {
	for _, id := range Promotable(s.input(), g.ID) {
		for j := range g.Replicas {
			if r := &g.Replicas[j]; r.ID == id && !s.down[r.Node] {
				r.Voter = true
				return true
			}
		}
	}
	return false
}

// quorum returns how many voters there are, and the nodes of those that live.
func (s *sim) quorum(g *shard.Group) (voters int, live []string) {
	for _, r := range g.Replicas {
		if !r.Voter {
			continue
		}
		voters++
		if !s.down[r.Node] {
			live = append(live, r.Node)
		}
	}
	return voters, live
}

// heard tells whether a node was heard a short while ago, which is all that a
// planner can know.
func (s *sim) heard(node string) bool { return s.nodes[node].Silent <= 3*time.Second }

// check fails if a group has no quorum of voters that were heard.
func (s *sim) check(a Action, g *shard.Group) {
	voters, heard := 0, 0
	for _, r := range g.Replicas {
		if r.Voter {
			voters++
			if s.heard(r.Node) {
				heard++
			}
		}
	}
	if heard < voters/2+1 {
		s.fatal("%v: %d of %d voters live", a, heard, voters)
	}
}

func (s *sim) do(a Action) {
	s.m.Epoch++
	g := s.m.Group(a.Group)
	if a.Kind == AddReplica || a.Kind == RemoveReplica || a.Kind == TransferLeader {
		if g == nil || !g.Founded {
			s.fatal("%v: no such group, or it is not founded", a)
		}
		s.check(a, g)
	}
	switch a.Kind {
	case AddGroup:
		s.last++
		n := shard.Group{ID: s.last}
		for _, node := range a.Nodes {
			n.Replicas = append(n.Replicas, shard.Replica{Node: node, ID: fmt.Sprintf("%s.%d", node, s.m.Epoch), Voter: true})
		}
		s.m.Groups = append(s.m.Groups, n)
	case RemoveGroup:
		if g == nil || g.Founded || slices.Contains(s.m.Owner[:], g.ID) {
			s.fatal("%v: no such group, or it may have served", a)
		}
		if voters, live := s.quorum(g); len(live) >= voters/2+1 {
			s.fatal("%v: %d of %d voters live, and will found it", a, len(live), voters)
		}
		s.m.Groups = slices.DeleteFunc(s.m.Groups, func(other shard.Group) bool { return other.ID == a.Group })
	case AssignSlots:
		for _, x := range a.Assign {
			for _, r := range x.Slots {
				for slot := int(r.From()); slot <= int(r.To()); slot++ {
					if s.m.Owner[slot] != shard.Controller {
						s.fatal("%v: slot %d has an owner", a, slot)
					}
					s.m.Owner[slot] = x.Group
				}
			}
		}
	case AddReplica:
		if g.On(a.Node) != nil || !s.heard(a.Node) {
			s.fatal("%v: it has one there, or nobody is there", a)
		}
		if a.Group != shard.Controller {
			s.copies++
		}
		s.place(g, a.Node)
	case RemoveReplica:
		r := g.On(a.Node)
		if r == nil || r.ID != a.Replica || s.leaders[a.Group] == a.Node {
			s.fatal("%v: no such replica, or it leads", a)
		}
		g.Replicas = slices.DeleteFunc(g.Replicas, func(r shard.Replica) bool { return r.ID == a.Replica })
		s.asks[a.Node] = s.asks[a.Node] || a.Group == shard.Controller
		s.check(a, g)
	case TransferLeader:
		if r := g.On(a.Node); r == nil || !r.Voter || !s.heard(a.Node) {
			s.fatal("%v: cannot lead", a)
		}
		if !s.down[a.Node] {
			s.leaders[a.Group] = a.Node
		}
		s.recent.Leaders[a.Group] = s.now
	case MoveSlots:
		s.moves++
		for _, r := range a.Slots {
			s.moved += r.Len()
		}
		s.m.Migrations = append(s.m.Migrations, shard.Migration{Epoch: s.m.Epoch, Slots: a.Slots, From: a.From, To: a.To})
	default:
		s.fatal("%v: unknown kind", a)
	}
}

// rest plans until nothing has been planned for longer than anything rests, and
// returns how many seconds it took until the last action. It waits with longer
// rounds, as of a planner that is seldom called.
func (s *sim) rest(limit int) int {
	start, last, quiet := s.now, s.now, 0
	for s.now.Sub(last) < 45*time.Second {
		got := s.round()
		if len(got) == 0 {
			quiet++
		} else {
			last, quiet = s.now, 0
		}
		if quiet > 2 {
			s.pass(7 * time.Second)
		}
		if s.now.Sub(start) > time.Duration(limit)*time.Second {
			s.fatal("no rest after %d seconds: %v %q", limit, got, s.notes)
		}
	}
	return int(last.Sub(start) / time.Second)
}

// pass lets time pass without planning.
func (s *sim) pass(d time.Duration) {
	s.now = s.now.Add(d)
	keep := math.Exp2(-d.Seconds() / 5)
	if s.lag {
		for slot := range s.seen {
			s.seen[slot] *= keep
		}
		for _, h := range s.heat {
			s.seen[h.Slot] += h.Ops() * (1 - keep)
		}
	}
	for id, n := range s.nodes {
		n.Silent += d
		if !s.down[id] {
			n.Silent = 0
		}
		s.nodes[id] = n
	}
}

// factor is the busiest live node's load over the mean.
func (s *sim) factor() float64 {
	byNode, total := s.loads()
	most := 0.0
	for _, l := range byNode {
		most = max(most, l)
	}
	return most * float64(len(byNode)) / total
}

func (s *sim) loads() (byNode map[string]float64, total float64) {
	byNode = map[string]float64{}
	for _, n := range s.m.Nodes {
		if !s.down[n.ID] && n.State == shard.Active {
			byNode[n.ID] = 0
		}
	}
	for _, h := range s.heat {
		if leader := s.leaders[s.m.Owner[h.Slot]]; leader != "" {
			byNode[leader] += h.Ops()
			total += h.Ops()
		}
	}
	return byNode, total
}

// zipf is the heat of Zipf 0.99 traffic over so many keys, which are hashed.
func zipf(keys int, opsPerSecond float64, prefix string) []heat.SlotHeat {
	var load [shard.Slots]float64
	sum := 0.0
	for i := range keys {
		share := math.Pow(float64(i+1), -0.99)
		load[shard.Slot(fmt.Appendf(nil, "%s%d", prefix, i))] += share
		sum += share
	}
	return slotHeat(func(slot int) float64 { return load[slot] / sum * opsPerSecond })
}

func slotHeat(ops func(slot int) float64) []heat.SlotHeat {
	var out []heat.SlotHeat
	for slot := range shard.Slots {
		if x := ops(slot); x > 0 {
			out = append(out, heat.SlotHeat{Slot: uint16(slot), Reads: x})
		}
	}
	return out
}
