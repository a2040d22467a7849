package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/shard"
)

// fakeNode answers what a test says, and notes what it was asked to do. A test
// changes it between commands only, and by next.
type fakeNode struct {
	*httptest.Server
	m        shard.Map
	status   kv.Status
	orders   []string // method, path and body
	answer   string   // to orders
	code     int
	progress *kv.MoveProgress // of all migrations
	next     func()           // called after each look at the map
}

func newFakeNode(t *testing.T) *fakeNode {
	f := &fakeNode{code: http.StatusOK, answer: `{"epoch":8}`}
	f.m = shard.Map{
		Epoch: 7, Balance: true,
		Nodes: []shard.Node{
			{ID: "n1", Redis: "127.0.0.1:7001", HTTP: "127.0.0.1:8001", Peer: "127.0.0.1:9001", State: shard.Active},
			{ID: "n2", Redis: "127.0.0.1:7002", HTTP: "127.0.0.1:8002", Peer: "127.0.0.1:9002", State: shard.Draining},
		},
		Groups: []shard.Group{
			{ID: 0, Founded: true, Replicas: []shard.Replica{{Node: "n1", ID: "n1.1", Voter: true}}},
			{ID: 1, Founded: true, Replicas: []shard.Replica{{Node: "n1", ID: "n1.2", Voter: true}, {Node: "n2", ID: "n2.4"}}},
			{ID: 2, Founded: true, Replicas: []shard.Replica{{Node: "n1", ID: "n1.3", Voter: true}}},
		},
	}
	for slot := range f.m.Owner {
		f.m.Owner[slot] = 1
	}
	f.m.Owner[5] = 2
	f.status = kv.Status{
		Nodes:  []kv.NodeStatus{{ID: "n1", State: kv.NodeUp}, {ID: "n2", State: kv.NodeUnreachable}},
		Groups: []kv.GroupStatus{{ID: 0, Leader: "n1"}, {ID: 1, Leader: "n1", Keys: 3}, {ID: 2}},
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/map" && r.URL.RawQuery != "":
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"error":"NOTFOUND no such map"}`)
		case r.URL.Path == "/v1/map":
			json.NewEncoder(w).Encode(&f.m)
			if f.next != nil {
				f.next()
			}
		case r.URL.Path == "/v1/migrations" && r.Method == http.MethodGet:
			list := []kv.Migration{}
			for _, x := range f.m.Migrations {
				list = append(list, kv.Migration{Migration: x, Progress: f.progress})
			}
			json.NewEncoder(w).Encode(list)
		case r.URL.Path == "/v1/status":
			json.NewEncoder(w).Encode(f.status)
		default:
			text := r.Method + " " + r.URL.Path
			if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 {
				text += " " + string(body)
			}
			if _, password, _ := r.BasicAuth(); password != "" {
				text += " password " + password
			}
			f.orders = append(f.orders, text)
			w.WriteHeader(f.code)
			w.Write([]byte(f.answer))
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeNode) addr() string { return "--addr=" + strings.TrimPrefix(f.URL, "http://") }

func TestNodeAndGroupTables(t *testing.T) {
	f := newFakeNode(t)
	const nodes = `NODE  STATE           REDIS           HTTP            PEER            GROUP0  REPLICAS  LEADS  SLOTS
n1    active          127.0.0.1:7001  127.0.0.1:8001  127.0.0.1:9001  leads   2         1      16383
n2    dead, draining  127.0.0.1:7002  127.0.0.1:8002  127.0.0.1:9002  none    1         0      0
`
	if got := call(t, "node", "list", f.addr()); got.stdout != nodes {
		t.Errorf("got\n%s\nwant\n%s", got.stdout, nodes)
	}
	const groups = `GROUP  LEADER  REPLICAS ON      KEYS  SLOTS  RANGES
0      n1      n1               0     0      holds the shard map
1      n1      n1,n2 (no vote)  3     16383  0-4,6-16383
2      none    n1               0     1      5
`
	if got := call(t, "group", "list", f.addr()); got.stdout != groups {
		t.Errorf("got\n%s\nwant\n%s", got.stdout, groups)
	}
}

func TestOrders(t *testing.T) {
	const did, nothing = `{"epoch":8,"changed":true}`, `{"epoch":8,"changed":false}`
	for _, test := range []struct{ args, answer, order, says string }{
		{"node drain n1", did, "POST /v1/nodes/n1/drain", "n1 is draining;"},
		{"node drain n1", nothing, "POST /v1/nodes/n1/drain", "n1 is draining already"},
		{"node drain n1 --force", `{"epoch":8,"changed":true,"copies":2}`, `POST /v1/nodes/n1/drain {"force":true}`, "still has; groups keep at most 2 replicas\n"},
		{"node undrain n1", did, "POST /v1/nodes/n1/undrain", "n1 is active"},
		{"node undrain n1", nothing, "POST /v1/nodes/n1/undrain", "n1 is not draining"},
		{"node undrain n1 --json", did, "POST /v1/nodes/n1/undrain", did},
		{"node remove n2", did, "DELETE /v1/nodes/n2", "n2 is removed"},
		{"node remove n/9", nothing, "DELETE /v1/nodes/n/9", "no node n/9 to remove"},
		{"group remove 2", did, "DELETE /v1/groups/2", "group 2 is removed"},
		{"group remove 2", nothing, "DELETE /v1/groups/2", "group 2 has been removed before"},
		{"migrations cancel 3", did, "DELETE /v1/migrations/3", "migration 3 is being undone, unless"},
		{"migrations cancel 3", nothing, "DELETE /v1/migrations/3", "migration 3 is being undone already"},
		{"leader move --group 1 --to n1", "{}", `POST /v1/groups/1/leader {"node":"n1"}`, "n1 leads group 1 already"},
		{"balance on", nothing, `PUT /v1/balance {"on":true}`, "the balancer is on already"},
		{"balance off", did, `PUT /v1/balance {"on":false}`, "the balancer is off"},
		{"balance", "", "", "the balancer is on\nno migrations are under way"},
		{"balance status --json", "", "", `{"on":true,"epoch":7,"migrations":[]}`},
		{"migrations", "", "", "no migrations are under way"},
		{"migrations list --json", "", "", "[]"},
	} {
		f := newFakeNode(t)
		f.answer = test.answer
		want(t, 0, []string{test.says}, append(strings.Fields(test.args), f.addr())...)
		if got := strings.Join(f.orders, "; "); got != test.order {
			t.Errorf("%s: the node was told %q, want %q", test.args, got, test.order)
		}
	}
}

// A new group is added once; what is waited for is that it has had a leader.
func TestGroupAddWaits(t *testing.T) {
	f := newFakeNode(t)
	f.answer = `{"epoch":8,"changed":true,"group":3}`
	looks := 0
	f.next = func() {
		if looks++; looks == 1 { // a node that lagged behind has answered
			f.m.Epoch, f.m.Groups = 8, append(f.m.Groups, shard.Group{ID: 3, Replicas: []shard.Replica{{Node: "n1", ID: "n1.8", Voter: true}}})
		} else {
			f.m.Groups[3].Founded = true
		}
	}
	want(t, 0, []string{"group 3 is added on n1; it owns no slots yet"}, "group", "add", "--nodes=n1", f.addr())
	if want := `POST /v1/groups {"nodes":["n1"]}`; len(f.orders) != 1 || f.orders[0] != want {
		t.Errorf("the node was told %q, want %q", f.orders, want)
	}
	if looks != 3 {
		t.Errorf("it looked %d times", looks)
	}
	f.answer = `{"epoch":8,"changed":true,"group":4}` // and a map of a later epoch without it
	f.m.Epoch = 9
	want(t, exitFailure, []string{"group 4 has been removed meanwhile"}, "group", "add", f.addr())
}

func TestOrderRefused(t *testing.T) {
	f := newFakeNode(t)
	f.code, f.answer = http.StatusConflict, `{"code":"ERR","error":"ERR group 1 still owns slots"}`
	want(t, exitFailure, []string{"raftkv: group 1 still owns slots"}, "group", "remove", "1", f.addr())
	f.code, f.answer = http.StatusUnauthorized, `{"code":"NOAUTH","error":"NOAUTH give the node's password"}`
	want(t, exitFailure, []string{"set RAFTKV_PASSWORD"}, "balance", "off", f.addr())
	t.Setenv(passwordVariable, "secret")
	f.orders, f.code, f.answer = nil, http.StatusOK, `{"epoch":8}`
	want(t, 0, nil, "balance", "off", f.addr())
	if len(f.orders) != 1 || !strings.HasSuffix(f.orders[0], "password secret") {
		t.Errorf("the node was told %q", f.orders)
	}
	f.code, f.answer = http.StatusServiceUnavailable, `{"error":"CLUSTERDOWN no leader"}`
	got := want(t, exitFailure, []string{"no node answers this now: CLUSTERDOWN no leader"}, "balance", "off", f.addr())
	if strings.Contains(got.stderr, "raftkv up") {
		t.Errorf("it tells how to start a cluster that is there: %s", got.stderr)
	}
	// What only looks says as little of it, and a definite answer is one.
	if got := want(t, exitFailure, nil, "map", "--epoch=999", f.addr()); got.stderr != "raftkv: no such map\n" {
		t.Errorf("of a map that is not there it says %q", got.stderr)
	}
}

// With --wait a drain tells what the node still has until it has nothing.
func TestDrainWaits(t *testing.T) {
	f := newFakeNode(t)
	f.answer = `{"epoch":8,"changed":true,"copies":1}`
	looks := 0
	f.next = func() {
		if looks++; looks == 2 {
			f.m.Groups[1].Replicas = f.m.Groups[1].Replicas[:1]
		}
	}
	want(t, 0, []string{"n2 is draining; groups keep at most 1 replica\n", "n2 has 1 replica and leads 0 groups\n", "n2 is empty"}, "node", "drain", "n2", "--wait", f.addr())
}

// A node that still votes in group 0 is empty only when that vote is gone, or when
// nobody could vote in its place, which is said.
func TestDrainWaitsForTheVote(t *testing.T) {
	drain := func(t *testing.T, f *fakeNode) result {
		f.answer = `{"epoch":8,"changed":true}`
		f.m.Groups[1].Replicas = f.m.Groups[1].Replicas[:1] // n2 has no other replica
		f.m.Groups[0].Replicas = append(f.m.Groups[0].Replicas, shard.Replica{Node: "n2", ID: "n2.1", Voter: true})
		return want(t, 0, []string{"n2 is empty"}, "node", "drain", "n2", "--wait", f.addr())
	}
	const waits = "votes in group 0 until others do without its vote"
	t.Run("goes", func(t *testing.T) {
		f := newFakeNode(t)
		f.m.Nodes = append(f.m.Nodes, shard.Node{ID: "n3", State: shard.Active})
		f.status.Nodes = append(f.status.Nodes, kv.NodeStatus{ID: "n3", State: kv.NodeUp})
		looks := 0
		f.next = func() {
			if looks++; looks == 2 {
				f.m.Groups[0].Replicas[1].Voter = false
			}
		}
		if r := drain(t, f); !strings.HasSuffix(r.stdout, waits+"\nn2 is empty\n") || looks != 3 {
			t.Errorf("%d looks, and it says\n%s", looks, r.stdout)
		}
	})
	t.Run("stays", func(t *testing.T) {
		f := newFakeNode(t)
		f.status.Nodes[0].State = kv.NodeUnreachable // the only other
		if r := drain(t, f); strings.Contains(r.stdout, waits) || !strings.Contains(r.stdout, "n2 is empty, but votes in group 0") {
			t.Errorf("it says\n%s", r.stdout)
		}
	})
}

// A move ends when the map has no migration of it any more, and succeeded if its
// slots have left their owner.
func TestSlotsMoveWaits(t *testing.T) {
	x := shard.Migration{Epoch: 8, Slots: []shard.Range{{0, 4}}, From: 1, To: 2, Reason: "ordered by a person"}
	start := func(t *testing.T) *fakeNode {
		f := newFakeNode(t)
		answer, err := json.Marshal(kv.Move{Epoch: 8, Migrations: []shard.Migration{x}, There: []shard.Range{{5, 5}}})
		if err != nil {
			t.Fatal(err)
		}
		f.answer = string(answer)
		f.m.Epoch, f.m.Migrations = 8, []shard.Migration{x}
		return f
	}
	args := []string{"slots", "move", "--slots=0-5", "--to=2"}
	t.Run("done", func(t *testing.T) {
		f := start(t)
		f.next = func() {
			f.m.Epoch, f.m.Migrations = 9, nil
			for slot := range 5 {
				f.m.Owner[slot] = 2
			}
		}
		want(t, 0, []string{"migration 8: slots 0-4 from group 1 to group 2", "migration 8: done", "5 slots moved to group 2; 1 was there before"}, append(args, f.addr())...)
		if want := `POST /v1/migrations {"reason":"ordered by a person","slots":[[0,5]],"to":2}`; len(f.orders) != 1 || f.orders[0] != want {
			t.Errorf("the node was told %q, want %q", f.orders, want)
		}
	})
	t.Run("slow", func(t *testing.T) {
		f := start(t)
		f.progress = &kv.MoveProgress{Step: "chunk", Keys: 1000, Records: 250, Bytes: 3e6, ElapsedMS: 2000}
		since := time.Now()
		f.next = func() {
			if time.Since(since) < 3*time.Second {
				return
			}
			f.m.Epoch, f.m.Migrations = 9, nil
			for slot := range 5 {
				f.m.Owner[slot] = 2
			}
		}
		r := want(t, 0, nil, append(args, "--json", f.addr())...)
		var got moveResult
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || len(got.Migrations) != 1 || got.Migrations[0].Progress == nil || got.Migrations[0].Progress.Bytes != 3e6 {
			t.Errorf("%s: %v", r.stdout, err)
		}
		if says := "migration 8 has copied 25% of 1000 keys, 1.5 MB/s after 2s"; !strings.Contains(r.stderr, says) {
			t.Errorf("it does not say %q meanwhile:\n%s", says, r.stderr)
		}
		f.m.Migrations = []shard.Migration{x}
		want(t, 0, []string{"migration 8: slots 0-4 from group 1 to group 2 (ordered by a person); has copied 25% of 1000 keys, 1.5 MB/s after 2s"}, "migrations", f.addr())
	})
	t.Run("undone", func(t *testing.T) {
		f := start(t)
		f.next = func() { f.m.Epoch, f.m.Migrations = 9, nil }
		want(t, exitFailure, []string{"1 of 1 migration undone", "not all slots have moved"}, append(args, f.addr())...)
	})
	t.Run("not waited for", func(t *testing.T) {
		f := start(t)
		r := want(t, 0, nil, append(args, "--wait=false", "--json", f.addr())...)
		var got moveResult
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || len(got.Migrations) != 1 || got.Migrations[0].State != moveUnderWay || got.Migrations[0].Epoch != 8 {
			t.Errorf("%s: %v", r.stdout, err)
		}
	})
	t.Run("nothing to do", func(t *testing.T) {
		f := start(t)
		f.answer = `{"epoch":8,"migrations":[],"there":[[5,5]]}`
		want(t, 0, []string{"nothing to do: group 2 owns these slots"}, "slots", "move", "--slots=5", "--to=2", f.addr())
	})
}

// A node that lags behind has not heard of the migration yet: that is no end of it.
func TestLaggingMapEndsNoMove(t *testing.T) {
	x := moved{Migration: shard.Migration{Epoch: 8, Slots: []shard.Range{{0, 4}}, From: 1, To: 2}, State: moveUnderWay}
	m := newFakeNode(t).m
	m.Epoch = 7
	if x.settle(&m); x.State != moveUnderWay {
		t.Errorf("by the map of epoch 7 it is %s", x.State)
	}
}

func TestMisusedOrders(t *testing.T) {
	for _, args := range []string{
		"slots move", "slots move --slots=0-99", "slots move --slots=9-1 --to=2", "slots move --slots=0-16384 --to=2", "slots move --slots=0 --to=0",
		"leader move --group=1", "leader move --to=n1", "migrations cancel", "migrations cancel x", "group remove", "group remove x",
		"node drain", "balance maybe", "migrations bogus", "group add now",
	} {
		want(t, exitMisuse, nil, strings.Fields(args)...)
	}
}
