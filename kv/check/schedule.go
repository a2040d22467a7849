package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"raftkv/kv/fault"
)

// Class is a sort of faults.
type Class string

// The classes.
const (
	Kills      Class = "kill"      // kill -9 of a node, the leader, or all
	Pauses     Class = "pause"     // a node, often the leader, hangs
	Partitions Class = "partition" // links are cut, late or break
	Disks      Class = "disk"      // slow, hung, full, failing and torn writes
	Elections  Class = "election"  // the leader hangs, and the others see each other through it alone
	Failovers  Class = "failover"  // leaders die, and the disks of the others are slow meanwhile
	Migrations Class = "migrate"   // the slots of the keys in use move
	Clocks     Class = "clock"     // of nodes are wrong, and jump
	Storms     Class = "raft"      // leaders hand over and snapshots are taken, again and again
)

// Classes lists them.
var Classes = []Class{Kills, Pauses, Partitions, Disks, Elections, Failovers, Migrations, Clocks, Storms}

// ParseClasses reads lists such as "kill,pause"; "all" and "none" are lists, too. A
// line of package fault is a class of its own, such as "pause LEADER": in it, LEADER
// stands for the node that leads keys in use, and NODE for another one. Since a
// line may hold commas, as "split n1,n2 n3" does, lines are best separated by
// semicolons: what stands between two of them is one line if it reads as one.
// Lines that are joined by " + " come together.
func ParseClasses(lists []string) ([]Class, error) {
	var out []Class
	for _, list := range lists {
		for part := range strings.SplitSeq(list, ";") {
			words := []string{part}
			if !isClass(part) {
				words = strings.Split(part, ",")
			}
			for _, word := range words {
				classes, err := parseClass(word)
				if err != nil && len(words) > 1 {
					err = fmt.Errorf("%w; faults whose lines hold commas are separated by semicolons", err)
				}
				if err != nil {
					return nil, err
				}
				out = append(out, classes...)
			}
		}
	}
	if alone := !strings.ContainsAny(strings.Join(lists, ","), ",;"); slices.Contains(out, none) && !alone {
		return nil, errors.New("none stands alone: leave it out, or the others")
	}
	out = slices.DeleteFunc(out, func(c Class) bool { return c == none })
	slices.Sort(out)
	return slices.Compact(out), nil
}

// none is no class.
const none Class = "none"

// parseClass reads one class, or all of them.
func parseClass(word string) ([]Class, error) {
	word = strings.TrimSpace(word)
	switch class := Class(word); {
	case word == "all":
		return Classes, nil
	case class == none || slices.Contains(Classes, class):
		return []Class{class}, nil
	}
	for line := range strings.SplitSeq(word, joint) {
		if _, err := fault.Parse(strings.NewReplacer("LEADER", "n1", "NODE", "n2").Replace(line)); err != nil {
			return nil, fmt.Errorf("%q is no class of faults: there are all, none and %s; and as a fault's line: %w", line, ClassNames(), err)
		}
	}
	return []Class{Class(word)}, nil
}

func isClass(word string) bool {
	_, err := parseClass(word)
	return err == nil
}

// joint stands between the lines of faults that come together.
const joint = " + "

// WithoutProcesses leaves out the classes that kill or pause processes, which only a
// cluster on this machine can have.
func WithoutProcesses(classes []Class) []Class {
	return slices.DeleteFunc(slices.Clone(classes), func(c Class) bool {
		return c == Kills || c == Pauses || c == Elections || c == Failovers
	})
}

// ClassNames lists the classes for a person.
func ClassNames() string {
	var out []string
	for _, c := range Classes {
		out = append(out, string(c))
	}
	return strings.Join(out, ", ")
}

// clockError is how wrong a clock may become, by the class Clocks.
const clockError = 3 * time.Second

// planned is a fault of the schedule. Chance has decided all of it but who leads.
type planned struct {
	gap, last time.Duration // before it, and how long
	after     time.Duration // by which what nodes do lasts longer than what processes do
	lines     []string      // begun together; LEADER, NODE and OTHERS stand for nodes
	move      bool          // of a slot
	node, tag int           // which ones
}

// next draws the next fault.
func next(rnd *rand.Rand, classes []Class, gap time.Duration) planned {
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(rnd.Int64N(int64(most-least)))
	}
	const ms = time.Millisecond
	p := planned{gap: between(gap/4, gap*7/4), last: between(300*ms, 2500*ms), node: rnd.IntN(1 << 20), tag: rnd.IntN(1 << 20)}
	victim := "NODE"
	if rnd.IntN(2) == 0 {
		victim = "LEADER"
	}
	pick := func(lines ...string) { p.lines = []string{lines[rnd.IntN(len(lines))]} }
	switch class := classes[rnd.IntN(len(classes))]; class {
	case Kills:
		pick("kill "+victim, "kill "+victim, "kill "+victim, "kill-all")
		p.last = between(100*ms, 1500*ms)
	case Pauses:
		pick("pause " + victim)
	case Partitions:
		pick("isolate "+victim, "isolate "+victim+" reset", "isolate "+victim+" one-way", "halves", "minority 0",
			"flapping every 400ms", "drop 3%", "delay 30ms±30ms", "flip 2%", "cut LEADER NODE")
	case Disks:
		pick("slow-fsync "+victim+" 100ms", "slow-fsync "+victim+" 400ms", "hang-fsync "+victim, "full "+victim,
			"torn-write "+victim, "lost-write "+victim, "fail-fsync "+victim)
	case Elections:
		p.lines = []string{"bridge LEADER", "pause LEADER"}
		p.last, p.after = between(500*ms, 1000*ms), between(1000*ms, 2000*ms)
	case Failovers:
		p.lines = []string{"kill LEADER", "slow-fsync OTHERS 80ms"}
		p.last = between(800*ms, 1500*ms)
	case Migrations:
		p.move, p.gap, p.last = true, p.gap/4, 0
	case Clocks:
		error := time.Duration(rnd.Int64N(int64(2*clockError))) - clockError
		pick("clock "+victim+" "+fmt.Sprintf("%+dms", error.Milliseconds()), "clock-jumps "+victim+" "+clockError.String()+" every 200ms")
	case Storms:
		pick("transfer-storm every 300ms", "snapshot-storm every 200ms")
	default:
		p.lines = strings.Split(string(class), joint)
	}
	return p
}

// breakThings injects one fault after the other until ctx ends.
func (r *run) breakThings(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(r.config.Seed, 0))
	for {
		p := next(rnd, r.config.Classes, r.config.Gap)
		sleep(ctx, p.gap)
		if ctx.Err() != nil {
			return
		}
		r.inject(ctx, p)
	}
}

// moveThings begins to move one slot after the other until ctx ends. What the cluster
// refuses meanwhile, as while it has no leader, is no fault of anybody.
func (r *run) moveThings(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(r.config.Seed, 1<<32)) // clients count from 1, faults have 0
	for ctx.Err() == nil {
		tag, choice := rnd.IntN(1<<20), rnd.IntN(1<<20)
		w := r.current.Load()
		if _, err := r.config.Breaker.Move(ctx, w.tags[tag%len(w.tags)].slot, choice); err == nil {
			r.moves.Add(1)
		}
		sleep(ctx, r.config.Gap/8+time.Duration(rnd.Int64N(int64(r.config.Gap/4)+1)))
	}
}

// inject carries out a fault of the schedule.
func (r *run) inject(ctx context.Context, p planned) {
	w := r.current.Load()
	slot := w.tags[p.tag%len(w.tags)].slot
	at := r.now()
	note := func(what string, err error) {
		i := Injected{Fault: what, At: seconds(time.Duration(at)), For: seconds(time.Duration(r.now() - at))}
		if err != nil && ctx.Err() == nil {
			i.Error = err.Error()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.fault = ""
		r.report.Faults = append(r.report.Faults, i)
	}
	if p.move {
		what, err := r.config.Breaker.Move(ctx, slot, p.node)
		note(what, err)
		return
	}
	faults, err := r.resolve(ctx, &p, slot)
	if err != nil {
		note(strings.Join(p.lines, ", "), err)
		return
	}
	var text []string
	for _, f := range faults {
		text = append(text, f.String())
	}
	what := strings.Join(text, ", ")
	r.mu.Lock()
	r.fault = what
	r.mu.Unlock()
	note(what, r.config.Breaker.Break(ctx, faults, p.last, p.after))
}

// resolve turns the lines of a planned fault into faults of nodes.
func (r *run) resolve(ctx context.Context, p *planned, slot uint16) ([]fault.Fault, error) {
	nodes, err := r.config.Breaker.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	node := nodes[p.node%len(nodes)]
	leader := r.config.Breaker.Leader(ctx, slot)
	if leader == "" {
		leader = nodes[(p.node+1)%len(nodes)]
	}
	if node == leader { // for faults that concern both
		node = nodes[(p.node+1)%len(nodes)]
	}
	var out []fault.Fault
	for _, line := range p.lines {
		line = strings.NewReplacer("LEADER", leader, "NODE", node).Replace(line)
		lines := []string{line}
		if strings.Contains(line, "OTHERS") {
			lines = nil
			for _, n := range nodes {
				if n != leader {
					lines = append(lines, strings.ReplaceAll(line, "OTHERS", n))
				}
			}
		}
		for _, line := range lines {
			f, err := fault.Parse(line)
			if err != nil {
				return nil, err
			}
			if f.ByChance() {
				f.Seed = uint64(p.tag) + 1
			}
			out = append(out, f)
		}
	}
	return out, nil
}
