package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"raftkv/kv"
)

func (f *fakeNode) Fault(_ context.Context, line string, noted bool) (kv.FaultStatus, error) {
	f.note("%s noted %v", line, noted)
	return kv.FaultStatus{ID: "a", Fault: line, Nodes: []string{"n1"}}, f.err
}

func (f *fakeNode) Heal(_ context.Context, id string) ([]string, error) {
	f.note("heal %q", id)
	return []string{"cut n1 n2"}, f.err
}

func (f *fakeNode) Faults(context.Context) ([]kv.FaultStatus, error) {
	return []kv.FaultStatus{{ID: "a", Fault: "cut n1 n2"}}, f.err
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		request, body, from, password string
		status                        int
		order, answer                 string
	}{
		{"POST /v1/faults", `{"fault":"cut n1 n2","for":"10s"}`, "127.0.0.1:5", "", 200, "cut n1 n2 for 10s noted false", `"fault":"cut n1 n2 for 10s"`},
		{"POST /v1/faults", `{"fault":"kill n1","noted":true}`, "[::1]:5", "", 200, "kill n1 noted true", `"id":"a"`},
		{"POST /v1/faults", "", "127.0.0.1:5", "", 400, "", "what shall break"},
		{"DELETE /v1/faults", "", "127.0.0.1:5", "", 200, `heal ""`, `{"healed":["cut n1 n2"]}`},
		{"DELETE /v1/faults/a", "", "127.0.0.1:5", "", 200, `heal "a"`, "cut n1 n2"},
		{"GET /v1/faults", "", "10.0.0.1:5", "", 200, "", "cut n1 n2"},
		// From other machines with a password alone.
		{"POST /v1/faults", `{"fault":"cut n1 n2"}`, "10.0.0.1:5", "", 403, "", "from this machine alone"},
		{"DELETE /v1/faults", "", "10.0.0.1:5", "", 403, "", "from this machine alone"},
		{"POST /v1/faults", `{"fault":"cut n1 n2"}`, "10.0.0.1:5", "secret", 200, "cut n1 n2 noted false", ""},
	} {
		f := new(fakeNode)
		method, path, _ := strings.Cut(test.request, " ")
		r := httptest.NewRequest(method, path, strings.NewReader(test.body))
		r.RemoteAddr = test.from
		r.SetBasicAuth("", test.password)
		w := f.give(test.password, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.answer) {
			t.Errorf("%s from %s: %d %s, want %d %s", test.request, test.from, w.Code, w.Body, test.status, test.answer)
		}
		if got := strings.Join(f.orders, "; "); got != test.order {
			t.Errorf("%s from %s: the node was told %q, want %q", test.request, test.from, got, test.order)
		}
	}
	r := httptest.NewRequest("POST", "/v1/faults", strings.NewReader(`{"fault":"cut n1 n2"}`))
	r.RemoteAddr = "127.0.0.1:5"
	if w := new(fakeNode).give("secret", r); w.Code != http.StatusUnauthorized {
		t.Errorf("without the password: %d", w.Code)
	}
}
