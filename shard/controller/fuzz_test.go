package controller

import (
	"encoding/json"
	"testing"

	"raftkv/shard"
)

func FuzzApply(f *testing.F) {
	for _, cmd := range [][]byte{
		PutNode(node("n7")), PutNode(reborn("n2")), Drain("n1"), Undrain("n1"), RemoveNode("n6"),
		AddGroup([]string{"n1", "n2"}), RemoveGroup(3), FoundGroup(3),
		AddReplica(1, "n5"), PromoteReplica(0, "n6.6"), RemoveReplica(1, "n1.7"), ReplaceReplica(1, "n1.7"),
		AssignSlots(1, []shard.Range{{200, 300}}), StartMigration([]shard.Range{{0, 9}, {5, 20}}, 1, 2, "heat"),
		FinishMigration(14), CancelMigration(14), AbortMigration(14), SetBalance(true), At(14, SetBalance(false)),
		[]byte(`{"op":"start-migration","slots":[[9,0],[0,65535]],"from":1,"to":2}`),
	} {
		f.Add(cmd)
	}
	base := cluster(f)
	apply(f, base, StartMigration([]shard.Range{{50, 59}}, 1, 2, "heat"))
	f.Fuzz(func(t *testing.T, cmd []byte) {
		s := base.Clone()
		before := text(t, s)
		reply, err := s.Apply(cmd, 0)
		m := s.Map()
		if checkErr := m.Check(); checkErr != nil {
			t.Fatal(checkErr)
		}
		if (err != nil || m.Epoch == base.Map().Epoch) && text(t, s) != before {
			t.Fatalf("reply %s, %v, but the state changed", reply, err)
		}
		if text(t, base) != before {
			t.Fatal("a clone's change shows in its original")
		}
		var again State
		if err := json.Unmarshal([]byte(text(t, s)), &again); err != nil {
			t.Fatal(err)
		}
		if text(t, again.Map()) != text(t, m) {
			t.Fatalf("map %s\nbecomes %s", text(t, m), text(t, again.Map()))
		}
	})
}

func FuzzUnmarshalState(f *testing.F) {
	f.Add([]byte(text(f, New())))
	s := cluster(f)
	f.Add([]byte(text(f, s)))
	apply(f, s, StartMigration([]shard.Range{{50, 59}}, 1, 2, "heat"))
	apply(f, s, CancelMigration(14))
	f.Add([]byte(text(f, s)))
	f.Add([]byte(`{"history":[{"epoch":3,"map":{"epoch":3}},{"epoch":3,"map":{"epoch":3}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s State
		if s.UnmarshalJSON(data) != nil {
			return
		}
		if err := s.Map().Check(); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		for epoch := range s.Map().Epoch + 2 {
			if epoch > 50 {
				break
			}
			_, _ = s.MapAt(epoch) // an error or a map, but no panic
		}
		apply(t, &s, SetBalance(!s.Map().Balance))
		b := text(t, &s)
		var again State
		if err := json.Unmarshal([]byte(b), &again); err != nil {
			t.Fatalf("its own JSON %s: %v", b, err)
		}
		if got := text(t, &again); got != b {
			t.Fatalf("%s\nbecomes %s", b, got)
		}
	})
}
