package fault

// valueKind is what the last word of a fault's line is.
type valueKind uint8

const (
	noValue   valueKind = iota
	aSpan               // 20ms or 20ms±5ms
	aDuration           // 200ms
	anOffset            // +5s, -1h
	aRate               // 100kb/s
	aSize               // 10mb
	aPercent            // 1%
	aGroup              // 2
	twoSides            // n1,n2 n3
)

// form is what the line of a kind looks like.
type form struct {
	kind             Kind
	least, most      int // nodes
	value            valueKind
	optional         bool // the value may be left out
	oneWay, reset    bool
	every            bool
	example, meaning string
}

// many is more nodes than a line may name.
const many = 64

// forms lists all kinds, in the order in which they are explained.
var forms = []form{
	{Cut, 1, 2, noValue, false, true, true, false, "cut n1 n2", "nothing that one sends reaches the other; one-way: from n1 to n2 alone; reset: connections break at once instead of falling silent"},
	{Isolate, 1, 1, noValue, false, true, true, false, "isolate n1", "cut between a node and all others"},
	{IsolateLeader, 0, 0, aGroup, true, true, true, false, "isolate-leader 1", "isolate the node that leads a group (group 0 if none is named)"},
	{Halves, 0, 0, noValue, false, false, true, false, "halves", "cut between two halves of the nodes, chosen by chance"},
	{Minority, 0, 0, aGroup, true, false, true, false, "minority 1", "cut a minority off that has the group's leader"},
	{Majority, 0, 0, aGroup, true, false, true, false, "majority 1", "cut a minority off that has not the group's leader"},
	{Bridge, 0, 1, noValue, false, false, true, false, "bridge n2", "two halves that one node alone sees both of"},
	{Ring, 0, many, noValue, false, false, true, false, "ring", "each node sees its two neighbours alone; for four nodes and more"},
	{Split, 0, 0, twoSides, false, true, true, false, "split n1,n2 n3", "cut between two sets of nodes"},
	{Flapping, 0, 0, noValue, false, false, true, true, "flapping every 2s", "another split, or none, each time"},
	{Delay, 0, 2, aSpan, false, true, false, false, "delay n1 n2 20ms±5ms", "what is sent arrives later (+- may be typed for ±)"},
	{Bandwidth, 0, 2, aRate, false, true, false, false, "bandwidth n1 n2 100kb/s", "each direction carries so much"},
	{Drop, 0, 2, aPercent, false, true, false, false, "drop 1%", "a message in a hundred breaks its connection"},
	{Flip, 0, 2, aPercent, false, true, false, false, "flip 0.1%", "a message in a thousand arrives with a bit changed"},

	{SlowFsync, 1, 1, aDuration, false, false, false, false, "slow-fsync n2 200ms", "each write of raft's log takes longer"},
	{HangFsync, 1, 1, noValue, false, false, false, false, "hang-fsync n2", "no write ends; the node's watchdog stops it"},
	{FailFsync, 1, 1, noValue, false, false, false, false, "fail-fsync n2", "writes fail; the node stops"},
	{Full, 1, 1, aSize, true, false, false, false, "full n2", "little disk seems to be free, half of the low-water mark or as much as is said"},
	{TornWrite, 1, 1, aGroup, true, false, false, false, "torn-write n2", "the node dies in its next write to a log, a part of which is on disk"},
	{LostWrite, 1, 1, aGroup, true, false, false, false, "lost-write n2", "the node dies in its next write to a log, nothing of which is on disk"},
	{FlipLog, 1, 1, aGroup, true, false, false, false, "flip-log n2 1", "a bit of a group's log changes on disk, which the next start finds"},
	{FlipSnapshot, 1, 1, aGroup, true, false, false, false, "flip-snapshot n2 1", "a bit of a group's newest snapshot changes on disk"},

	{Clock, 1, 1, anOffset, false, false, false, false, "clock n3 +5s", "raftkv's clock on the node is wrong by so much"},
	{ClockJumps, 1, 1, aDuration, false, false, false, true, "clock-jumps n3 10s every 1s", "it is wrong by up to so much, by another amount each time"},

	{TransferStorm, 0, 0, aGroup, true, false, false, true, "transfer-storm every 1s", "leaders hand over, again and again"},
	{SnapshotStorm, 0, 0, aGroup, true, false, false, true, "snapshot-storm every 1s", "replicas take snapshots, again and again"},
	{MigrationStorm, 0, 0, noValue, false, false, false, true, "migration-storm every 1s", "slots move between groups, again and again"},

	{Kill, 1, many, noValue, false, false, false, false, "kill n1", "kill -9; started again when it is healed"},
	{KillAll, 0, 0, noValue, false, false, false, false, "kill-all", "kill -9 of all nodes at once"},
	{Pause, 1, many, noValue, false, false, false, false, "pause n2", "SIGSTOP, as a machine that hangs; resumed when it is healed"},
	{Restart, 1, many, noValue, false, false, false, false, "restart n1", "kill -9, and start at once"},
	{RollingRestart, 0, 0, noValue, false, false, false, false, "rolling-restart", "stop and start in order, one node after the other"},
	{Wipe, 1, 1, noValue, false, false, false, false, "wipe n1", "kill -9, and delete the data folder; the node joins again as a new one when it is healed"},
}

// formOf returns the form of a kind, or nil.
func formOf(kind Kind) *form {
	for i := range forms {
		if forms[i].kind == kind {
			return &forms[i]
		}
	}
	return nil
}

// Help is a kind as a person is told of it.
type Help struct {
	Kind             Kind
	Example, Meaning string
}

// Kinds lists what there is.
func Kinds() []Help {
	out := make([]Help, len(forms))
	for i, f := range forms {
		out[i] = Help{f.kind, f.example, f.meaning}
	}
	return out
}
