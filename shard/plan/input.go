package plan

import (
	"time"

	"raftkv/shard"
	"raftkv/shard/heat"
)

// Input is all that a plan is made from. Plan changes nothing in it.
type Input struct {
	Map *shard.Map
	// Nodes is what group 0's leader has heard, by node. Of a node that is missing
	// nothing is known: it gets nothing new, and is not taken to be dead.
	Nodes map[string]Node
	// Leaders tells which node leads a group now. A group without one is left as
	// it is until it has one.
	Leaders map[uint32]string
	// Heat is what each slot serves, in any order. Slots that are missing are idle.
	// Nil means that heat is not known yet, and keeps slots where they are; so a new
	// leader of group 0 passes nil until all have reported. For a group whose new
	// leader has not reported, pass what the last one did.
	Heat []heat.SlotHeat
	// Keys is the number of keys by slot, for the price of a move. It may be nil or
	// short: what is missing counts as 0.
	Keys    []uint64
	Recent  Recent
	Options Options
	Now     time.Time
}

// Node is the soft state of a node.
type Node struct {
	Silent time.Duration // since it was last heard
	Weight float64       // its capacity beside that of others; 0 means 1
}

// Recent tells what has been moved a short while ago. Older entries are ignored
// and may be dropped.
type Recent struct {
	Slots   map[uint16]time.Time // when a slot last changed its group
	Leaders map[uint32]time.Time // when a group was last told to change its leader
}

// Options say what the planner aims at. The zero value of each field means its
// default.
type Options struct {
	// Replicas a group is to have. Default 3. An even number costs more and
	// survives no more than the odd one below it.
	Replicas int
	// ControllerVoters is how many voters group 0 has at most. Default 5.
	ControllerVoters int
	// Groups is how many groups are to be. Default: as many as usable nodes, so
	// that each leads one. Groups are never removed.
	Groups int
	// MinNodes live before the first group is made. Default 1. With less than a
	// cluster is started with, all first groups lie on the nodes that came first.
	MinNodes int
	// LiveWithin is how long a node may be silent and still get work. Default 3 s.
	LiveWithin time.Duration
	// LeadWithin is how long a node may be silent and still be handed the lead of a
	// group, for balance's sake. It is shorter than LiveWithin, since a group whose lead
	// is on its way to a node that has died serves nobody until that is given up.
	// Default 1 s.
	LeadWithin time.Duration
	// ReplaceAfter is how long a node is silent until its replicas are replaced.
	// Default 5 minutes. Too short, and a restart costs a copy of all it holds.
	ReplaceAfter time.Duration
	// Imbalance is how far above its share a node's load is before anything is
	// moved. Default 1.15. Near 1, noise moves slots.
	Imbalance float64
	// MinLoad is the operations a second of the busiest node below which load is
	// too little to judge by, and slots are spread by number. Default 100.
	MinLoad float64
	// Migrations at one time in the whole cluster. Default: half as many as nodes,
	// at least 2.
	Migrations int
	// SlotsPerMove bounds one migration. Default 1024.
	SlotsPerMove int
	// Payback is within what time a move of slots must have taken as much load off
	// a node as it costs to copy their keys. Default 1 minute.
	Payback time.Duration
	// Copies of replicas that are made at one time in the whole cluster. Default:
	// half as many as nodes, at least 4.
	Copies int
	// Actions a plan has at most. Default: a quarter of the nodes, at least 16.
	Actions int
	// SlotRest is how long a slot that was moved stays where it is. Default 30 s.
	SlotRest time.Duration
	// LeaderRest is how long a group that was told to change its leader is not told
	// again. Default 10 s.
	LeaderRest time.Duration
}

func (o Options) withDefaults(nodes int) Options {
	orInt := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	orTime := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	orInt(&o.Replicas, 3)
	orInt(&o.ControllerVoters, 5)
	orInt(&o.MinNodes, 1)
	orInt(&o.Migrations, max(2, nodes/2))
	orInt(&o.SlotsPerMove, 1024)
	orInt(&o.Copies, max(4, nodes/2))
	orInt(&o.Actions, max(16, nodes/4))
	orTime(&o.ReplaceAfter, 5*time.Minute)
	orTime(&o.LiveWithin, 3*time.Second)
	o.LiveWithin = min(o.LiveWithin, o.ReplaceAfter)
	orTime(&o.LeadWithin, time.Second)
	o.LeadWithin = min(o.LeadWithin, o.LiveWithin)
	orTime(&o.Payback, time.Minute)
	orTime(&o.SlotRest, 30*time.Second)
	orTime(&o.LeaderRest, 10*time.Second)
	if o.Imbalance <= 1 {
		o.Imbalance = 1.15
	}
	if o.MinLoad <= 0 {
		o.MinLoad = 100
	}
	return o
}
