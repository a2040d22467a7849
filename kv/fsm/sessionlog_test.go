package fsm

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/shard"
)

// loggingMachine is a state machine, and its log without times.
func loggingMachine(now *time.Time) (*machine, *bytes.Buffer) {
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	m := &machine{FSM: New(Options{Group: 3, Log: slog.New(handler)})}
	m.sessionLog.now = func() time.Time { return *now }
	m.apply(Admin, 0, OwnSlots(1, shard.All))
	return m, &out
}

// TestSessionLog looks at what the log says of sessions.
func TestSessionLog(t *testing.T) {
	now := time.Unix(0, 0)
	m, out := loggingMachine(&now)
	once := func(clock int64, seq int) {
		m.do(clock, "RAFTKV.ONCE", "n", "client 1", fmt.Sprint(seq), "INCR", "n")
	}
	once(0, 4) // index 2
	if out.Len() > 0 {
		t.Errorf("a command of a session is told of: %s", out)
	}
	once(0, 4)
	once(0, 3)
	m.apply(Tick, SessionIdle.Milliseconds())
	slot := fmt.Sprint("slot=", shard.Slot([]byte("n")))
	want := `msg="a repeated command is answered from memory" topic=session group=3 term=1 index=3 session="client 1" ` + slot + ` last=4 key=n since=2
msg="an older sequence number is refused" topic=session group=3 term=1 index=4 session="client 1" ` + slot + ` last=4 key=n asked=3
msg="a session ends: it was idle" topic=session group=3 term=1 index=5 session="client 1" ` + slot + ` last=4
`
	if out.String() != want {
		t.Errorf("the log says\n%swant\n%s", out, want)
	}
}

// TestSessionLogOfOthers: those who do not answer the entry tell nothing.
func TestSessionLogOfOthers(t *testing.T) {
	now := time.Unix(0, 0)
	m, out := loggingMachine(&now)
	for range 2 {
		entry := append(AppendHeader(nil, Commands, 0), cmd("RAFTKV.ONCE", "n", "c", "1", "INCR", "n")...)
		m.index++
		m.Apply(&raft.Log{Type: raft.LogCommand, Index: m.index, Term: 1, Data: entry})
	}
	if out.Len() > 0 {
		t.Errorf("a follower says %s", out)
	}
}

// TestSessionLogIsBounded: a client that repeats itself costs some lines a second,
// and the next one says how many are missing.
func TestSessionLogIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	m, out := loggingMachine(&now)
	repeat := cmd("RAFTKV.ONCE", "n", "c", "1", "INCR", "n")
	m.apply(Commands, 0, repeat)
	for range 10 {
		m.apply(Commands, 0, bytes.Repeat(repeat, 30))
	}
	if n := strings.Count(out.String(), "\n"); n != sessionLines {
		t.Errorf("%d lines in a second, want %d", n, sessionLines)
	}
	out.Reset()
	now = now.Add(time.Second)
	m.apply(Commands, 0, repeat, repeat)
	if got := strings.Count(out.String(), "\n"); got != 2 || strings.Count(out.String(), "unsaid=280") != 1 || strings.Count(out.String(), "unsaid=") != 1 {
		t.Errorf("after 300 repeats the next second says\n%s", out)
	}
	if cap(m.state.events.kept) > 2*sessionLines {
		t.Errorf("room for %d events is kept", cap(m.state.events.kept))
	}
}
