package controller

import (
	"testing"

	"raftkv/shard"
)

func TestPutNode(t *testing.T) {
	s := cluster(t)
	moved := node("n2")
	moved.Redis, moved.State = "elsewhere:7001", shard.Active
	run(t, s, []step{
		{Drain("n2"), `{"epoch":14}`},
		{PutNode(moved), `{"epoch":15,"replica":"n2.2"}`},
	})
	want := moved
	want.State = shard.Draining
	if got := *s.Map().Node("n2"); got != want {
		t.Errorf("the record is %+v, want %+v", got, want)
	}
	if got := s.Map().Group(1).On("n2"); got == nil || got.ID != "n2.7" {
		t.Errorf("a new address cost the node its replica: %+v", got)
	}
}

func TestNodeThatLostItsFolderLosesItsReplicas(t *testing.T) {
	s := cluster(t)
	run(t, s, []step{{PutNode(reborn("n2")), `{"epoch":14,"replica":"n2.14"}`}})
	m := s.Map()
	for _, g := range m.Groups {
		if r := g.On("n2"); (r != nil) != (g.ID == shard.Controller) {
			t.Errorf("group %d has replica %+v on n2", g.ID, r)
		}
	}
	if want := (shard.Replica{Node: "n2", ID: "n2.14", Voter: true}); *m.Group(0).On("n2") != want {
		t.Errorf("the new replica is %+v, want %+v", *m.Group(0).On("n2"), want)
	}
	if n := m.Node("n2"); n.Incarnation != "second" || n.State != shard.Active {
		t.Errorf("the node is %+v", n)
	}
	// The sixth did not vote, and still does not.
	run(t, s, []step{{PutNode(reborn("n6")), `{"epoch":15,"replica":"n6.15"}`}})
	if s.Map().Group(0).On("n6").Voter {
		t.Error("group 0 has six voters")
	}
	// A group may so lose its only voter. It stays, without replicas, for a person
	// to see.
	run(t, s, []step{{PutNode(reborn("n4")), `{"epoch":16,"replica":"n4.16"}`}})
	if g := s.Map().Group(3); g == nil || len(g.Replicas) != 0 {
		t.Errorf("group 3 is %+v", g)
	}
}
