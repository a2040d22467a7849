package check

import (
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/history"
	"raftkv/shard"
)

func digests(edit func(n1, n2 *kv.Digest)) map[uint32][]replica {
	make := func(node string) *kv.Digest {
		return &kv.Digest{Node: node, Groups: []kv.GroupDigest{
			{Group: 0, Index: 5, Sum: "0"},
			{Group: 1, Index: 7, Sum: "1", Serving: node == "n1", Slots: []kv.SlotDigest{{Range: shard.Range{0, 99}, State: "owned"}}},
			{Group: 2, Index: 9, Sum: "2", Serving: node == "n2", Slots: []kv.SlotDigest{{Range: shard.Range{100, shard.Slots - 1}, State: "owned"}}},
		}}
	}
	n1, n2 := make("n1"), make("n2")
	edit(n1, n2)
	return byGroup([]kv.Digest{*n1, *n2})
}

func TestInspection(t *testing.T) {
	for name, x := range map[string]struct {
		edit  func(n1, n2 *kv.Digest)
		later string // why nothing can be said yet
		wrong string // the check
	}{
		"equal":      {func(_, _ *kv.Digest) {}, "", ""},
		"behind":     {func(n1, _ *kv.Digest) { n1.Groups[2].Index = 8 }, "group 2", ""},
		"different":  {func(n1, _ *kv.Digest) { n1.Groups[1].Sum = "x" }, "", Replicas},
		"two owners": {func(n1, _ *kv.Digest) { n1.Groups[1].Slots[0].Range[1] = 100 }, "", Ownership},
		// The other group may be about to serve it.
		"frozen":           {func(n1, _ *kv.Digest) { n1.Groups[1].Slots[0].State = "frozen" }, "100 of 16384 slots", ""},
		"an old replica's": {func(_, n2 *kv.Digest) { n2.Groups[1].Slots[0].Range[1] = 100 }, "", ""},
		"nothing":          {func(n1, n2 *kv.Digest) { n1.Groups, n2.Groups = nil, nil }, "no group", ""},
	} {
		groups := digests(x.edit)
		r := &Report{Checks: newChecks()}
		err := aligned(groups)
		if err == nil {
			r.compare(groups)
			err = r.owners(groups)
		}
		if (err == nil) != (x.later == "") || err != nil && !strings.Contains(err.Error(), x.later) {
			t.Errorf("%s: %v, want %q", name, err, x.later)
		}
		for _, check := range []string{Replicas, Ownership} {
			if got := r.check(check).Result == history.Violated; got != (check == x.wrong) {
				t.Errorf("%s: %s is wrong: %v", name, check, got)
			}
		}
	}
}
