package server_test

import (
	"bufio"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/kv/server"
	"raftkv/shard"
)

// shownNode is a node that has something to show of its cluster.
type shownNode struct {
	*fakeNode
	topology server.Topology
}

func (n *shownNode) Topology() server.Topology { return n.topology }

// showing serves a topology, and returns how to ask for it.
func showing(t *testing.T, topology server.Topology) func(args ...string) kv.Reply {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(&shownNode{&fakeNode{}, topology}, server.Options{MaxValue: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(nc)
	return func(args ...string) kv.Reply {
		t.Helper()
		if _, err := nc.Write(resp.AppendCommand(nil, args...)); err != nil {
			t.Fatal(err)
		}
		reply, err := resp.ReadReply(in)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
}

// fiveNodes lead and follow as after all slots went to one group.
func fiveNodes() server.Topology {
	all := []shard.Range{{0, shard.Slots - 1}}
	return server.Topology{
		Self: "n1", Epoch: 7,
		Nodes: []server.TopologyNode{
			{ID: "n1", Host: "h", Port: 7001, Bus: 9001, Alive: true},
			{ID: "n2", Host: "h", Port: 7002, Bus: 9002, Alive: true, Slots: all},
			{ID: "n4", Host: "h", Port: 7004, Bus: 9004, Alive: true, Follows: "n2"},
			{ID: "n5", Host: "h", Port: 7005, Bus: 9005, Alive: true, Follows: "n2"},
		},
		Shards: []server.TopologyShard{{Slots: all, Leader: "n2", Replicas: []string{"n4"}}},
	}
}

// CLUSTER SLOTS names those that have a copy of the slots, and NODES and SHARDS whom a
// node stands with.
func TestClusterShowsCopies(t *testing.T) {
	ask := showing(t, fiveNodes())
	slots := ask("CLUSTER", "SLOTS").Elems
	if len(slots) != 1 || len(slots[0].Elems) != 4 {
		t.Fatalf("CLUSTER SLOTS: %+v", slots)
	}
	for i, port := range []int64{7002, 7004} {
		if got := slots[0].Elems[2+i].Elems[1].Int; got != port {
			t.Errorf("CLUSTER SLOTS: the node in place %d has port %d, want %d", i, got, port)
		}
	}
	var rows []string
	for _, line := range strings.Split(strings.TrimSpace(string(ask("CLUSTER", "NODES").Str)), "\n") {
		words := strings.Fields(line)
		rows = append(rows, words[1]+" "+words[2]+" "+words[3])
		if words[2] == "slave" && !strings.HasPrefix(words[3], string(slots[0].Elems[2].Elems[2].Str)) {
			t.Errorf("CLUSTER NODES: %s, but n2 is %s", line, slots[0].Elems[2].Elems[2].Str)
		}
	}
	if len(rows) != 4 || rows[0] != "h:7001@9001 myself,master -" || !strings.HasPrefix(rows[2], "h:7004@9004 slave ") {
		t.Errorf("CLUSTER NODES: %q", rows)
	}
	shards := ask("CLUSTER", "SHARDS").Elems
	if len(shards) != 2 || len(shards[0].Elems[3].Elems) != 1 || len(shards[1].Elems[3].Elems) != 3 {
		t.Errorf("CLUSTER SHARDS: %+v", shards)
	}
}

// CLUSTER INFO tells slots without a living leader from those whose leader is in doubt,
// and only the former make it fail.
func TestClusterInfoCountsSlots(t *testing.T) {
	healthy, doubted, lost := fiveNodes(), fiveNodes(), fiveNodes()
	doubted.Nodes[1].Alive = false
	lost.Nodes[1].Slots, lost.Unled = []shard.Range{{0, 9999}}, shard.Slots-10000
	for _, x := range []struct {
		what, want string
		topology   server.Topology
	}{
		{"all is well", "state:ok slots_assigned:16384 slots_ok:16384 slots_pfail:0 slots_fail:0", healthy},
		{"in doubt", "state:ok slots_assigned:16384 slots_ok:0 slots_pfail:16384 slots_fail:0", doubted},
		{"without a leader", "state:fail slots_assigned:16384 slots_ok:10000 slots_pfail:0 slots_fail:6384", lost},
		{"nobody's", "state:fail slots_assigned:0 slots_ok:0 slots_pfail:0 slots_fail:0", server.Topology{Self: "n1"}},
	} {
		info := string(showing(t, x.topology)("CLUSTER", "INFO").Str)
		var got []string
		for _, line := range strings.Split(info, "\r\n") {
			if name, ok := strings.CutPrefix(line, "cluster_"); ok && (strings.HasPrefix(name, "state:") || strings.HasPrefix(name, "slots_")) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != x.want {
			t.Errorf("%s: %q, want %s", x.what, got, x.want)
		}
	}
}
