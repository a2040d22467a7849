package plan

import (
	"encoding/json"
	"reflect"
	"testing"

	"raftkv/shard"
)

func TestActionsReadAsSentences(t *testing.T) {
	for _, tc := range []struct {
		a    Action
		want string
	}{
		{Action{Kind: AddGroup, Nodes: []string{"n1", "n2"}, Reason: "r"}, "add a group on n1, n2: r"},
		{Action{Kind: RemoveGroup, Group: 2, Reason: "r"}, "remove group 2: r"},
		{Action{Kind: AssignSlots, Assign: make([]Assignment, 3), Reason: "r"}, "assign slots to 3 groups: r"},
		{Action{Kind: AddReplica, Group: 2, Node: "n1", Reason: "r"}, "add a replica of group 2 on n1: r"},
		{Action{Kind: RemoveReplica, Group: 2, Node: "n1", Replica: "n1.7", Reason: "r"}, "remove replica n1.7 of group 2 from n1: r"},
		{Action{Kind: TransferLeader, Group: 2, Node: "n1", Reason: "r"}, "let n1 lead group 2: r"},
		{Action{Kind: MoveSlots, Slots: []shard.Range{{1, 2}, {5, 5}, {7, 9}, {20, 29}, {40, 41}}, From: 1, To: 2, Reason: "r"},
			"move slots 1-2,5,7-9 and 12 more from group 1 to group 2: r"},
	} {
		if got := tc.a.String(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
		b, err := json.Marshal(tc.a)
		var back Action
		if err != nil || json.Unmarshal(b, &back) != nil || !reflect.DeepEqual(back, tc.a) {
			t.Errorf("%s: %+v, %v", b, back, err)
		}
	}
}
