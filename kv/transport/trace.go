package transport

import (
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/eventlog"
)

// beatSample is how many messages there are for each one of heartbeats that is
// traced: they say the same again and again. It is chosen by its number, so that
// both ends write of the same ones.
const beatSample = 16

// nodeOf is the node that a replica is on: n2 for n2.7.
func nodeOf(id raft.ServerID) string {
	node, _, _ := strings.Cut(string(id), ".")
	return node
}

// subject is what a trace says of a request.
type subject struct {
	topic, name string
	place       eventlog.Place
}

// subjectOf tells what a request of raft's is about; a zero subject if nobody wants
// to follow it.
func (g *Group) subjectOf(args any) subject {
	at := eventlog.Place{Group: g.id}
	switch a := args.(type) {
	case *raft.AppendEntriesRequest:
		at.Term, at.Index = a.Term, a.PrevLogEntry+uint64(len(a.Entries))
		return subject{eventlog.TopicReplication, "append", at}
	case *raft.RequestVoteRequest:
		at.Term, at.Index = a.Term, a.LastLogIndex
		return subject{eventlog.TopicElection, "vote", at}
	case *raft.RequestPreVoteRequest:
		at.Term, at.Index = a.Term, a.LastLogIndex
		return subject{eventlog.TopicElection, "pre-vote", at}
	case *raft.TimeoutNowRequest:
		return subject{eventlog.TopicElection, "election now", at}
	case *raft.InstallSnapshotRequest:
		at.Term, at.Index = a.Term, a.LastLogIndex
		return subject{eventlog.TopicSnapshot, "snapshot", at}
	}
	return subject{}
}

// begin begins a line about a message that is somewhere on its way; nil if nobody
// wants it.
func (g *Group) begin(args any, way string, number uint64, peer string) *eventlog.TraceLine {
	trace := g.t.opts.Trace
	if trace == nil {
		return nil
	}
	s := g.subjectOf(args)
	if !trace.On(s.topic) {
		return nil
	}
	return trace.Line(s.topic, s.name+" "+way, s.place).Text("way", way).Uint("message", number).Text("peer", peer)
}

// follows tells whether the trace follows a request from its begin on: appends are
// chosen by their entries, which both ends know, and all others are few.
func (g *Group) follows(args any) bool {
	trace := g.t.opts.Trace
	if trace == nil {
		return false
	}
	if a, ok := args.(*raft.AppendEntriesRequest); ok {
		return trace.Follows(eventlog.TopicReplication, a.PrevLogEntry+uint64(len(a.Entries)), len(a.Entries))
	}
	return true // begin asks for its topic
}

// sendingAppend returns what an exchange calls before an append leaves; nil if it is
// not followed.
func (g *Group) sendingAppend(to raft.ServerID, args *raft.AppendEntriesRequest) func(uint64) {
	if !g.follows(args) {
		return nil
	}
	return func(number uint64) { g.traceSent(number, to, time.Time{}, args) }
}

// traceSent writes that a message leaves, or has left at a time.
func (g *Group) traceSent(number uint64, to raft.ServerID, at time.Time, args any) {
	line := g.begin(args, "sent", number, nodeOf(to)).At(at)
	switch a := args.(type) {
	case *raft.AppendEntriesRequest:
		line.Uint("entries", uint64(len(a.Entries))).Uint("commit", a.LeaderCommitIndex)
	case *raft.InstallSnapshotRequest:
		line.Uint("bytes", uint64(a.Size))
	}
	line.Write()
}

// traceReceived writes that a message has come, now or at a time.
func (g *Group) traceReceived(number uint64, from string, at time.Time, args any) {
	line := g.begin(args, "received", number, from).At(at)
	if a, ok := args.(*raft.AppendEntriesRequest); ok {
		line.Uint("entries", uint64(len(a.Entries)))
	}
	line.Write()
}

// traceAnswered writes of an answer that leaves. If the request was not followed and
// is worth it after all, its receipt comes first.
func (g *Group) traceAnswered(number uint64, from string, followed bool, began time.Time, args any, payload []byte, err error) {
	if !followed {
		if err == nil && time.Since(began) < eventlog.TraceSlow && !refuses(payload) {
			return
		}
		g.traceReceived(number, from, began, args)
	}
	line := g.begin(args, "answered", number, from)
	if line == nil {
		return
	}
	outcome(line, args, payload, err).Took("took", time.Since(began)).Write()
}

func (g *Group) traceReturned(number uint64, to raft.ServerID, sent time.Time, args any, payload []byte, err error) {
	line := g.begin(args, "returned", number, nodeOf(to))
	if line == nil {
		return
	}
	outcome(line, args, payload, err).Took("took", time.Since(sent)).Write()
}

// traceAppendReturned is the same for the answer to an append.
func (g *Group) traceAppendReturned(number uint64, to raft.ServerID, followed bool, sent time.Time, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse, err error) {
	if !followed {
		if err == nil && time.Since(sent) < eventlog.TraceSlow && resp.Success {
			return
		}
		g.traceSent(number, to, sent, args)
	}
	line := g.begin(args, "returned", number, nodeOf(to))
	if err != nil {
		line.Text("error", err.Error())
	} else {
		line.Bool("success", resp.Success)
	}
	line.Took("took", time.Since(sent)).Write()
}

// refuses tells whether the answer to an append is no.
func refuses(payload []byte) bool {
	var r raft.AppendEntriesResponse
	return decodeAppendAnswer(payload, &r) == nil && !r.Success
}

// outcome adds what an answer says.
func outcome(line *eventlog.TraceLine, args any, payload []byte, err error) *eventlog.TraceLine {
	if err != nil {
		return line.Text("error", err.Error())
	}
	switch args.(type) {
	case *raft.AppendEntriesRequest:
		var r raft.AppendEntriesResponse
		if decodeAppendAnswer(payload, &r) == nil {
			line.Bool("success", r.Success).Uint("last", r.LastLog)
		}
	case *raft.RequestVoteRequest:
		var r raft.RequestVoteResponse
		if decodeVoteAnswer(payload, &r) == nil {
			line.Bool("granted", r.Granted)
		}
	case *raft.RequestPreVoteRequest:
		var r raft.RequestPreVoteResponse
		if decodePreVoteAnswer(payload, &r) == nil {
			line.Bool("granted", r.Granted)
		}
	case *raft.InstallSnapshotRequest:
		var r raft.InstallSnapshotResponse
		if decodeSnapshotAnswer(payload, &r) == nil {
			line.Bool("success", r.Success)
		}
	}
	return line
}

// traceBeats writes of a message of heartbeats, if it is one of those chosen.
func (t *Transport) traceBeats(way string, number uint64, peer, groups string) {
	t.opts.Trace.Line(eventlog.TopicReplication, "heartbeats "+way, eventlog.Place{Group: eventlog.NoGroup}).
		Text("way", way).Uint("message", number).Text("peer", peer).Text("groups", groups).Write()
}

// tracesBeats tells whether a message of heartbeats is followed.
func (t *Transport) tracesBeats(number uint64) bool {
	return number%beatSample == 0 && t.opts.Trace.On(eventlog.TopicReplication)
}

// groupsOf lists the groups that beat.
func groupsOf(all []*beat) string {
	var b []byte
	for i, x := range all {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(x.to.group.id), 10)
	}
	return string(b)
}
