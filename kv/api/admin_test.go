package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// fakeNode notes its orders. What is not an order is not called.
type fakeNode struct {
	Node
	orders []string
	trace  []string
	sample uint64
	err    error
}

func (f *fakeNode) note(format string, args ...any) {
	f.orders = append(f.orders, fmt.Sprintf(format, args...))
}

func (f *fakeNode) Change(_ context.Context, change []byte) (controller.Reply, error) {
	f.note("%s", change)
	return controller.Reply{Epoch: 9, Changed: true}, f.err
}

func (f *fakeNode) Drain(_ context.Context, id string, force bool) (kv.Drained, error) {
	f.note("drain %s, force %v", id, force)
	return kv.Drained{Epoch: 9, Changed: true, Copies: 2}, f.err
}

func (f *fakeNode) RemoveNode(_ context.Context, id string) (controller.Reply, error) {
	f.note("remove %s", id)
	return controller.Reply{Epoch: 9, Changed: true}, f.err
}

func (f *fakeNode) AddGroup(_ context.Context, nodes []string) (controller.Reply, error) {
	f.note("add on %v", nodes)
	return controller.Reply{Epoch: 9, Changed: true, Group: 4}, f.err
}

func (f *fakeNode) MoveSlots(_ context.Context, slots []shard.Range, to uint32, reason string) (kv.Move, error) {
	f.note("move %v to %d: %s", slots, to, reason)
	return kv.Move{Epoch: 9, There: slots}, f.err
}

func (f *fakeNode) CancelMigration(_ context.Context, epoch uint64) (controller.Reply, error) {
	f.note("cancel %d", epoch)
	return controller.Reply{Epoch: 9, Changed: true}, f.err
}

func (f *fakeNode) Trace(topics []string, sample *uint64) ([]string, uint64) {
	if topics != nil {
		f.trace = topics
	}
	if sample != nil {
		f.sample = *sample
	}
	return f.trace, f.sample
}

func (f *fakeNode) LetLead(_ context.Context, group uint32, node string) error {
	f.note("%s leads %d", node, group)
	return f.err
}

// give sends a request to the API of f.
func (f *fakeNode) give(password string, request *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	New(f, Options{Password: password, Metrics: prometheus.NewRegistry()}).ServeHTTP(w, request)
	return w
}

func TestOrders(t *testing.T) {
	for _, test := range []struct {
		request, body string
		status        int
		order, answer string
	}{
		{"POST /v1/nodes/n1/drain", "", 200, "drain n1, force false", `{"epoch":9,"changed":true,"copies":2}`},
		{"POST /v1/nodes/n1/drain", `{"force":true}`, 200, "drain n1, force true", `{"epoch":9,"changed":true,"copies":2}`},
		{"POST /v1/nodes/n1/undrain", "", 200, string(controller.Undrain("n1")), `{"epoch":9,"changed":true}`},
		{"DELETE /v1/nodes/n1", "", 200, "remove n1", `{"epoch":9,"changed":true}`},
		{"POST /v1/groups", "", 200, "add on []", `{"epoch":9,"changed":true,"group":4}`},
		{"POST /v1/groups", `{"nodes":["n1","n2"]}`, 200, "add on [n1 n2]", `{"epoch":9,"changed":true,"group":4}`},
		{"POST /v1/groups", `{"nodes":"n1"}`, 400, "", ""},
		{"POST /v1/groups", `{"node_ids":["n1"]}`, 400, "", "node_ids"},
		{"DELETE /v1/groups/4", "", 200, string(controller.RemoveGroup(4)), `{"epoch":9,"changed":true}`},
		{"DELETE /v1/groups/four", "", 400, "", "no number of a group"},
		{"DELETE /v1/groups/4294967296", "", 400, "", "no number of a group"},
		{"POST /v1/groups/0/leader", `{"node":"n2"}`, 200, "n2 leads 0", `{}`},
		{"POST /v1/groups/1/leader", "", 400, "", "which node"},
		{"POST /v1/migrations", `{"slots":[[0,99],[512,512]],"to":2,"reason":"why not"}`, 200, "move [0-99 512] to 2: why not", `"there":[[0,99],[512,512]]`},
		{"POST /v1/migrations", `{"slots":[[0,99]]}`, 400, "", "which slots"},
		{"POST /v1/migrations", `{"to":1}`, 400, "", "which slots"},
		{"POST /v1/migrations", `{"slots":[[0,99999]],"to":2}`, 400, "", ""},
		{"DELETE /v1/migrations/17", "", 200, "cancel 17", `{"epoch":9,"changed":true}`},
		{"DELETE /v1/migrations/-1", "", 400, "", "no migration"},
		{"PUT /v1/balance", `{"on":false}`, 200, string(controller.SetBalance(false)), `{"epoch":9,"changed":true}`},
		{"PUT /v1/balance", `{}`, 400, "", `{\"on\":true}`},
		{"PUT /v1/log", `{"topics":["commit","election"]}`, 200, "", `{"topics":["commit","election"],"sample":0,"known":["election",`},
		{"PUT /v1/log", `{"topics":["commit"],"sample":4}`, 200, "", `{"topics":["commit"],"sample":4,"known"`},
		{"PUT /v1/log", `{"topics":["all"]}`, 200, "", `{"topics":["election","replication",`},
		{"PUT /v1/log", `{"topics":[]}`, 200, "", `{"topics":[],`},
		{"PUT /v1/log", `{"topics":["comit"]}`, 400, "", "commit"},
		{"PUT /v1/log", "", 400, "", "which topics"},
		{"GET /v1/groups", "", 405, "", ""},
	} {
		f := new(fakeNode)
		method, path, _ := strings.Cut(test.request, " ")
		w := f.give("", httptest.NewRequest(method, path, strings.NewReader(test.body)))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.answer) {
			t.Errorf("%s %s: %d %s, want %d %s", test.request, test.body, w.Code, w.Body, test.status, test.answer)
		}
		if got := strings.Join(f.orders, "; "); got != test.order {
			t.Errorf("%s %s: the node was told %q, want %q", test.request, test.body, got, test.order)
		}
	}
}

func TestFailedOrders(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
	}{
		{kv.ReplyError("ERR node n1 still has replica n1.4"), http.StatusConflict},
		{kv.ReplyError("STALE the shard map has moved on"), http.StatusConflict},
		{kv.ErrNoLeader, http.StatusServiceUnavailable},
		{kv.ErrUncertain, http.StatusGatewayTimeout},
		{context.Canceled, http.StatusInternalServerError},
	} {
		f := &fakeNode{err: test.err}
		w := f.give("", httptest.NewRequest("DELETE", "/v1/nodes/n1", nil))
		var said struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != test.status || said.Error != test.err.Error() {
			t.Errorf("%v: %d %s, want %d", test.err, w.Code, w.Body, test.status)
		}
	}
}

// Orders need the password, and are not taken from pages of other sites, which a
// browser on the node's machine may show.
func TestWhoMayOrder(t *testing.T) {
	request := func(edit func(*http.Request)) *http.Request {
		r := httptest.NewRequest("POST", "/v1/nodes/n1/drain", nil)
		edit(r)
		return r
	}
	for name, test := range map[string]struct {
		edit   func(*http.Request)
		status int
	}{
		"no password":    {func(*http.Request) {}, http.StatusUnauthorized},
		"wrong password": {func(r *http.Request) { r.SetBasicAuth("", "guess") }, http.StatusUnauthorized},
		"password":       {func(r *http.Request) { r.SetBasicAuth("", "secret") }, http.StatusOK},
		"own page": {func(r *http.Request) {
			r.SetBasicAuth("", "secret")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}, http.StatusOK},
		"other site": {func(r *http.Request) {
			r.SetBasicAuth("", "secret")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, http.StatusForbidden},
	} {
		f := new(fakeNode)
		if w := f.give("secret", request(test.edit)); w.Code != test.status || (len(f.orders) == 1) != (test.status == http.StatusOK) {
			t.Errorf("%s: %d %s, orders %q, want %d", name, w.Code, w.Body, f.orders, test.status)
		}
	}
}

// What shows keys or values takes the password as well.
func TestWhoMaySeeKeys(t *testing.T) {
	for _, path := range []string{"/v1/kv/a", "/v1/hot", "/v1/digest"} {
		if w := new(fakeNode).give("secret", httptest.NewRequest("GET", path, nil)); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
