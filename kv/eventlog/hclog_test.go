package eventlog

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func TestHclogArguments(t *testing.T) {
	server := raft.Server{Suffrage: raft.Voter, ID: "n2", Address: "h:1"}
	for name, c := range map[string]struct {
		args []any
		want string
	}{
		"plain":       {[]any{"id", raft.ServerID("n2"), "error", errors.New("x"), "time", time.Second}, `"id":"n2","error":"x","time":"1s"`},
		"peer":        {[]any{"peer", server}, `"peer":"{Suffrage:Voter ID:n2 Address:h:1}"`},
		"format":      {[]any{"servers", hclog.Fmt("%+v", []int{1, 2}), "x", hclog.Format{}}, `"servers":"[1 2]","x":""`},
		"bases":       {[]any{"h", hclog.Hex(17), "o", hclog.Octal(8), "b", hclog.Binary(2), "q", hclog.Quote("a")}, `"h":"0x11","o":"010","b":"0b10","q":"a"`},
		"without key": {[]any{"a", 1, "lone"}, `"a":1,"EXTRA_VALUE_AT_END":"lone"`},
		"stack":       {[]any{hclog.CapturedStacktrace("main.go:1")}, `"stacktrace":"main.go:1"`},
		"odd key":     {[]any{7, "seven"}, `"7":"seven"`},
		"raft's node": {[]any{"node", "Node at h:1"}, `"attr.node":"Node at h:1"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := attrs(t, func(log *slog.Logger) { Hclog(log, TopicStore).Info("m", c.args...) }); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestHclogFieldsOfTheLine(t *testing.T) {
	lines := logged(t, func(log *slog.Logger) {
		Hclog(log.With(KeyGroup, uint32(3)), TopicStore).With("term", uint64(7)).Named("a").Named("b").Warn("m", "index", uint64(9))
	})
	_, got, _ := strings.Cut(lines[0], `,`)
	want := `"level":"warn","node":"n1","topic":"store","group":3,"term":7,"index":9,"msg":"m","logger":"a.b"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHclogDerivedLoggers(t *testing.T) {
	base := Hclog(slog.New(slog.DiscardHandler), TopicStore)
	a := base.With("k", 1)
	b, c := a.With("x", 2), a.With("y", 3, "lone")
	if got := fmt.Sprint(base.ImpliedArgs(), a.ImpliedArgs(), b.ImpliedArgs(), c.ImpliedArgs()); got != "[] [k 1] [k 1 x 2] [k 1 y 3 EXTRA_VALUE_AT_END lone]" {
		t.Errorf("implied: %s", got)
	}
	n := a.Named("one").Named("two")
	if r := n.ResetNamed("three"); n.Name() != "one.two" || r.Name() != "three" || a.Name() != "" {
		t.Errorf("names %q, %q, %q", n.Name(), r.Name(), a.Name())
	}
}

func TestHclogLevels(t *testing.T) {
	lines := logged(t, func(log *slog.Logger) { // at level debug
		h := Hclog(log, TopicStore)
		if h.IsTrace() || !h.IsDebug() || !h.IsInfo() || !h.IsWarn() || !h.IsError() || h.GetLevel() != hclog.Debug {
			t.Errorf("level is %v", h.GetLevel())
		}
		derived := h.Named("x")
		h.SetLevel(hclog.Warn)
		if derived.IsInfo() || !derived.IsWarn() || derived.GetLevel() != hclog.Warn {
			t.Errorf("after SetLevel(Warn) a derived logger is at %v", derived.GetLevel())
		}
		derived.Info("quiet")
		h.SetLevel(hclog.Off)
		if h.IsError() || h.GetLevel() != hclog.Off {
			t.Errorf("off is %v", h.GetLevel())
		}
		h.Error("quiet")
		h.SetLevel(hclog.Trace)
		h.Trace("quiet") // the slog logger's level still counts
		for _, level := range []hclog.Level{hclog.NoLevel, hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn, hclog.Error, hclog.Off} {
			h.Log(level, "m"+level.String())
		}
	})
	var got []string
	for _, line := range lines {
		ev := mustParse(t, line)
		got = append(got, levelName(ev.Level)+"="+ev.Msg)
	}
	if want := "info=mnone debug=mdebug info=minfo warn=mwarn error=merror"; strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHclogStandardLogger(t *testing.T) {
	lines := logged(t, func(log *slog.Logger) {
		h := Hclog(log, TopicServer).With("k", "v")
		h.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}).Print("[WARN] careful")
		h.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Error}).Print("[INFO] forced")
		h.StandardLogger(nil).Print("[WARN] plain")
	})
	var got []string
	for _, line := range lines {
		ev := mustParse(t, line)
		got = append(got, fmt.Sprint(levelName(ev.Level), " ", ev.Msg, " ", ev.Topic, " ", ev.Attrs["k"]))
	}
	want := "warn careful server v|error forced server v|info [WARN] plain server v"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}

func TestTopicOfRaftsMessages(t *testing.T) {
	for msg, want := range map[string]string{
		"heartbeat timeout reached, starting election":                TopicElection,
		"entering candidate state":                                    TopicElection,
		"failed to make requestVote RPC":                              TopicElection,
		"rejecting vote request since we have a leader":               TopicElection,
		"pre-vote denied: found newer term, falling back to follower": TopicElection,
		"entering leader state":                                       TopicLeadership,
		"entering follower state":                                     TopicLeadership,
		"starting leadership transfer":                                TopicLeadership,
		"failed to contact quorum of nodes, stepping down":            TopicLeadership,
		"failed to send snapshot to":                                  TopicSnapshot,
		"installSnapshot rejected to":                                 TopicSnapshot,
		"updating configuration":                                      TopicMembership,
		"added peer, starting replication":                            TopicMembership,
		"removed peer, stopping replication":                          TopicMembership,
		"failed to heartbeat to":                                      TopicReplication,
		"failed to appendEntries to":                                  TopicReplication,
		"pipelining replication":                                      TopicReplication,
		"failed to contact":                                           TopicReplication,
		"previous log term mis-match":                                 TopicReplication,
		"failed to get log":                                           TopicStore,
	} {
		if got := TopicOf(msg, TopicStore); got != want {
			t.Errorf("%q is about %s, want %s", msg, got, want)
		}
	}
}

// TestHclogUnderRaft runs a real raft node on the adapter.
func TestHclogUnderRaft(t *testing.T) {
	lines := logged(t, func(log *slog.Logger) {
		conf := raft.DefaultConfig()
		conf.LocalID = "n1"
		conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = 50*time.Millisecond, 50*time.Millisecond, 25*time.Millisecond
		conf.Logger = Hclog(log.With(KeyGroup, 1), TopicReplication)
		addr, trans := raft.NewInmemTransport("")
		store, snaps := raft.NewInmemStore(), raft.NewInmemSnapshotStore()
		servers := raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: addr}}}
		if err := raft.BootstrapCluster(conf, store, store, snaps, trans, servers); err != nil {
			t.Fatal(err)
		}
		r, err := raft.NewRaft(conf, &raft.MockFSM{}, store, store, snaps, trans)
		if err != nil {
			t.Fatal(err)
		}
		for leader := range r.LeaderCh() {
			if leader {
				break
			}
		}
		if err := r.Shutdown().Error(); err != nil {
			t.Error(err)
		}
	})
	found := make(map[string]Event)
	for _, line := range lines {
		ev := mustParse(t, line)
		if !ev.HasGroup || ev.Group != 1 {
			t.Errorf("no group: %s", line)
		}
		found[ev.Topic+": "+ev.Msg] = ev
	}
	if ev := found["election: entering candidate state"]; ev.Term == 0 {
		t.Errorf("no candidate with a term in\n%s", strings.Join(lines, "\n"))
	}
	if _, ok := found["leadership: entering leader state"]; !ok {
		t.Errorf("no leader in\n%s", strings.Join(lines, "\n"))
	}
}
