package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/kv/fault"
	"raftkv/kv/group"
	"raftkv/kv/pulse"
	"raftkv/shard"
)

const (
	// reportInterval is how often a node tells the controller what it leads, if
	// nothing happens.
	reportInterval = time.Second
	// aliveFor is how long a node counts as alive after its last answer to a leader.
	aliveFor = 3 * time.Second
)

// What nodes tell the controller, and it tells all of them, is soft state: it is
// kept by the leader of the controller's group in memory alone. After a change of
// that leader the nodes tell it all again.

// report is what a node says of itself.
type report struct {
	Node  string            `json:"node"`
	Leads map[uint32]uint64 `json:"leads"`          // the groups that it leads -> term
	Seen  uint64            `json:"seen"`           // version of the bulletin that it has
	Load  map[uint32][]byte `json:"load,omitempty"` // of the groups that it leads and knows it of, see loadGauge
	Told  uint64            `json:"told"`           // number of the last event that it has
	// Moves are the migrations that it carries out, by epoch.
	Moves map[uint64]moveState `json:"moves,omitempty"`
	// Faults began or ended on the node, and it does not know that it was heard.
	Faults []fault.Event `json:"faults,omitempty"`
}

// bulletin is what all nodes know of each other. It is replaced, never changed.
type bulletin struct {
	Version uint64             `json:"version"`
	Leaders map[uint32]leading `json:"leaders"` // by group
	Dead    []string           `json:"dead"`    // nodes that do not answer, sorted
	// Events are those that the reporter does not have yet.
	Events []kv.Event `json:"events,omitempty"`
}

// leading says who leads a group.
type leading struct {
	Node string `json:"node"`
	Term uint64 `json:"term"`
}

// board collects the reports, on the leader of the controller's group. Its
// methods may be called from any goroutine.
type board struct {
	pulse   *pulse.Pulse
	mu      sync.Mutex
	term    uint64    // of the controller's leader whose board it is
	since   time.Time // when that was
	now     *bulletin
	changed chan struct{} // closed and replaced with each version
	loads   map[uint32]told
	tell    func(term uint64, e kv.Event) // must not ask the board
	led     map[uint32]leading            // who led each group at last
	moves   map[uint64]moveTold           // by the migration's epoch
	faults  faultsTold
	desired map[uint32]string // by group: whom the balancer has let lead it, until somebody does
}

// told is what a group's last leader has told of its slots. It stands until
// another leader tells more.
type told struct {
	term  uint64
	slots []slotLoad
}

// newBoard returns a board without a leader, which answers at p's full intervals if it
// has no news. What becomes known by the reports is given to tell.
func newBoard(p *pulse.Pulse, tell func(term uint64, e kv.Event)) *board {
	return &board{pulse: p, now: new(bulletin), changed: make(chan struct{}), tell: tell}
}

// begin clears the board if another term has come. It begins with what the node
// knew from its predecessor, so that nobody's routes are gone until all have
// reported.
func (b *board) begin(term uint64, known *bulletin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.term != term {
		b.term, b.since = term, time.Now()
		b.moves, b.faults = nil, make(faultsTold)
		b.loads, b.led, b.desired = make(map[uint32]told), make(map[uint32]leading), make(map[uint32]string)
		maps.Copy(b.led, known.Leaders)
		// Versions of different leaders must differ: nodes ask for what is newer.
		b.post(&bulletin{Version: term << 32, Leaders: known.Leaders, Dead: known.Dead})
	}
}

// age returns for how long the reports have been coming in.
func (b *board) age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.since)
}

// begun returns since when the reports have been coming in.
func (b *board) begun() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since
}

// measure notes the loads of a report. A newer term's word stands.
func (b *board) measure(r report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for group, packed := range r.Load {
		if term := r.Leads[group]; b.loads != nil && term >= b.loads[group].term {
			b.loads[group] = told{term: term, slots: unpackLoad(b.loads[group].slots, packed)}
		}
	}
}

// post must be called with mu held.
func (b *board) post(next *bulletin) {
	b.now = next
	close(b.changed)
	b.changed = make(chan struct{})
}

// edit posts a changed copy of the bulletin if change makes one. It must not be
// called with mu held.
func (b *board) edit(change func(*bulletin) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := *b.now
	next.Version++
	next.Leaders = maps.Clone(next.Leaders)
	if next.Leaders == nil {
		next.Leaders = make(map[uint32]leading)
	}
	if change(&next) {
		b.post(&next)
	}
}

// enter notes what a node leads. A newer term's word stands.
func (b *board) enter(r report) {
	b.edit(func(next *bulletin) (changed bool) {
		for group, term := range r.Leads {
			if was := next.Leaders[group]; term > was.Term || term == was.Term && was.Node != r.Node {
				next.Leaders[group] = leading{Node: r.Node, Term: term}
				b.tellLeader(group, next)
				changed = true
			}
		}
		for group, was := range next.Leaders {
			if _, still := r.Leads[group]; was.Node == r.Node && !still {
				delete(next.Leaders, group)
				changed = true
			}
		}
		return changed
	})
}

// tellLeader tells of a group's new leader. It must be called with mu held.
func (b *board) tellLeader(group uint32, now *bulletin) {
	is, was := now.Leaders[group], b.led[group]
	if is == was {
		return // it was silent, and leads still
	}
	b.led[group] = is
	e := kv.Event{
		Kind: kv.EventLeader, Node: is.Node, Group: group, Term: is.Term,
		Text: fmt.Sprintf("%s leads group %d in term %d", is.Node, group, is.Term),
	}
	switch {
	case was.Node == "":
	case b.desired[group] == is.Node && was.Node != is.Node:
		e.Reason = fmt.Sprintf("as decided; %s led it in term %d", was.Node, was.Term)
	case was.Node == is.Node:
		e.Reason = fmt.Sprintf("elected again; it led in term %d, too", was.Term)
	case slices.Contains(now.Dead, was.Node):
		e.Reason = fmt.Sprintf("elected; %s, which led it in term %d, does not answer", was.Node, was.Term)
	default:
		e.Reason = fmt.Sprintf("elected; %s led it in term %d", was.Node, was.Term)
	}
	delete(b.desired, group)
	b.tell(b.term, e)
}

// letLead notes that the balancer lets a node lead a group, and why.
func (b *board) letLead(group uint32, node, reason string) {
	b.edit(func(*bulletin) bool {
		if b.desired != nil {
			b.desired[group] = node
		}
		b.tell(b.term, kv.Event{
			Kind: kv.EventLetLead, Node: node, Group: group, Reason: reason,
			Text: fmt.Sprintf("%s is to lead group %d", node, group),
		})
		return true
	})
}

// setDead notes which nodes do not answer, of those in m.
func (b *board) setDead(dead []string, m *shard.Map) {
	b.edit(func(next *bulletin) bool {
		if slices.Equal(next.Dead, dead) {
			return false
		}
		for _, node := range dead {
			if !slices.Contains(next.Dead, node) {
				b.tell(b.term, kv.Event{Kind: kv.EventSilent, Node: node, Text: fmt.Sprintf("node %s does not answer", node), Reason: fmt.Sprintf("silent for %v", aliveFor)})
			}
		}
		for _, node := range next.Dead {
			if !slices.Contains(dead, node) && m.Node(node) != nil {
				b.tell(b.term, kv.Event{Kind: kv.EventAnswers, Node: node, Text: fmt.Sprintf("node %s answers again", node)})
			}
		}
		next.Dead = dead
		return true
	})
}

// read returns the bulletin, and a channel that closes when there is a newer one.
func (b *board) read() (*bulletin, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.changed
}

// wait returns the bulletin once it is not of version seen, or after a while.
func (b *board) wait(ctx context.Context, seen uint64) *bulletin {
	alarm := b.pulse.Alarm()
	defer alarm.Stop()
	alarm.Set(reportInterval)
	for {
		now, changed := b.read()
		if now.Version != seen {
			return now
		}
		select {
		case <-changed:
		case <-alarm.C:
			return now
		case <-ctx.Done():
			return now
		}
	}
}

// keepReporting tells the controller's leader what this node leads, and takes the
// bulletin from it, until ctx ends: at once if either changes, else each second.
func (n *Node) keepReporting(ctx context.Context) {
	gauge := new(loadGauge)
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, 2*reportInterval)
		n.reporting.Store(&cancel)
		reported := n.report(gauge)
		now, err := n.exchange(asking, reported)
		cancel()
		if err == nil {
			n.faultNews.heard(reported.Faults)
			for _, e := range n.feed.add(now.Events...) {
				n.countEvent(e)
			}
			if now.Version != n.bulletin.Swap(now).Version {
				n.nudge()
			}
			continue
		}
		select {
		case <-n.wakes[wakeReport]:
		case <-time.After(retryInterval):
		case <-ctx.Done():
		}
	}
}

// reportNow ends the wait for news: there is something to tell.
func (n *Node) reportNow() {
	if cancel := n.reporting.Load(); cancel != nil {
		(*cancel)()
	}
}

// report returns what this node has to say now. Its loads are the gauge's.
func (n *Node) report(gauge *loadGauge) report {
	r := report{Node: n.config.ID, Leads: make(map[uint32]uint64), Load: make(map[uint32][]byte), Seen: n.bulletin.Load().Version, Told: n.feed.position().Seq, Moves: n.drivers.moves(), Faults: n.faultNews.all()}
	n.redis.HotKeys.Fold(time.Now())
	gauge.begin()
	for _, g := range *n.groups.Load() {
		if term := g.Term(); term != 0 {
			r.Leads[g.ID()] = term
			if g.ID() == shard.Controller {
				continue
			}
			if load, known := gauge.group(g); known {
				r.Load[g.ID()] = load
			}
		}
	}
	return r
}

// exchange gives a report to the controller's leader and returns the bulletin.
func (n *Node) exchange(ctx context.Context, r report) (*bulletin, error) {
	g := n.group(shard.Controller)
	if g == nil {
		return nil, errStarting
	}
	if g.Serving() {
		return n.hear(ctx, r)
	}
	leader := string(g.LeaderPeer())
	if leader == "" || leader == n.config.Peer {
		return nil, errNoController
	}
	request, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	answer, err := n.transport.Call(ctx, leader, callReport, request)
	if err != nil {
		return nil, err
	}
	out := new(bulletin)
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("the bulletin of %s: %w", leader, err)
	}
	return out, nil
}

// hear takes a report, on the controller's leader, and returns the bulletin when
// it has news for the reporter, or after a while.
func (n *Node) hear(ctx context.Context, r report) (*bulletin, error) {
	g := n.group(shard.Controller)
	if g == nil || !g.Serving() {
		return nil, errNoController
	}
	n.board.begin(g.Term(), n.bulletin.Load())
	n.board.enter(r)
	n.board.measure(r)
	n.board.follow(r)
	n.board.hearFaults(r)
	now := *n.board.wait(ctx, r.Seen)
	now.Events = n.feed.told(r.Told)
	return &now, nil
}

// lookForDead finds which nodes do not answer, on the controller's leader: every
// node has a replica of its group, and raft's heartbeats go to all.
func (n *Node) lookForDead(g *group.Group) {
	m := n.shardMap()
	met := n.newcomers.meet(m, time.Now())
	if n.board.age() < aliveFor {
		return // there has been no time to hear of all
	}
	var dead []string
	for _, info := range m.Nodes {
		r := m.Group(shard.Controller).On(info.ID)
		if info.ID != n.config.ID && (r == nil || time.Since(latest(g.Heard(r.ID), met[r.ID])) > aliveFor) {
			dead = append(dead, info.ID)
		}
	}
	n.board.setDead(dead, m)
}
