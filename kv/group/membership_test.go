package group

import (
	"testing"

	"github.com/hashicorp/raft"
)

// A replica that does not answer gets no vote, whatever it answered before: the group
// would need it for its quorum from that moment on. The group goes on as it was.
func TestPromoteAsksWhetherItLives(t *testing.T) {
	g := openAlone(t)
	defer g.Close()
	silent := raft.ServerAddress(listenTransport(t, "n2").Addr()) // nobody has the replica there
	if err := g.AddNonvoter(t.Context(), "n2.1", silent); err != nil {
		t.Fatal(err)
	}
	// It had caught up when it died.
	g.acks.record("n2.1", g.Term(), g.config.Now(), g.raft.LastIndex())
	if !g.CaughtUp("n2.1") {
		t.Fatal("it has not caught up")
	}
	if err := g.Promote(t.Context(), "n2.1"); err == nil {
		t.Error("it has a vote")
	}
	if s, _ := g.server("n2.1"); s.Suffrage != raft.Nonvoter {
		t.Errorf("raft counts on %+v", s)
	}
	if _, err := g.SettledServers(); err != nil {
		t.Errorf("the group does not go on: %v", err)
	}
}
