package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestFaultOrders(t *testing.T) {
	const did = `{"id":"3f9a01","fault":"cut n1 n2 for 10s","started_ms":1,"nodes":["n1","n2"]}`
	const active = `[{"id":"3f9a01","fault":"cut n1 n2","started_ms":1,"nodes":["n1","n2"]}]`
	for _, test := range []struct{ args, answer, order, says string }{
		{"fault cut n1 n2 --for 10s", did, `POST /v1/faults {"fault":"cut n1 n2 for 10s","noted":false}`, "3f9a01  cut n1 n2 for 10s  (on n1, n2)"},
		{"fault cut n1 n2 one-way for 10s", did, `POST /v1/faults {"fault":"cut n1 n2 one-way for 10s","noted":false}`, "3f9a01"},
		{"fault drop 1% --seed 7 --json", did, `POST /v1/faults {"fault":"drop 1% seed 7","noted":false}`, did},
		{"fault clock n1 -- -1h", did, `POST /v1/faults {"fault":"clock n1 -1h","noted":false}`, "3f9a01"},
		{"fault flip-log n1", `{"fault":"flip-log n1","result":"bit 3","nodes":["n1"]}`, `POST /v1/faults {"fault":"flip-log n1","noted":false}`, "flip-log n1: bit 3"},
		{"fault heal", `{"healed":["cut n1 n2"]}`, "DELETE /v1/faults", "healed: cut n1 n2"},
		{"fault heal 3f9a01", `{"healed":["cut n1 n2"]}`, "DELETE /v1/faults/3f9a01", "healed: cut n1 n2"},
		{"fault heal", `{"healed":[]}`, "DELETE /v1/faults", "no fault was active"},
		{"fault list", active, "GET /v1/faults", "3f9a01  cut n1 n2"},
		{"fault list --json", active, "GET /v1/faults", `"id":"3f9a01"`},
		{"fault list", "[]", "GET /v1/faults", "no fault is active"},
	} {
		f := newFakeNode(t)
		f.answer = test.answer
		args := append([]string{"fault", f.addr()}, strings.Fields(test.args)[1:]...)
		want(t, 0, []string{test.says}, args...)
		if got := strings.Join(f.orders, "; "); got != test.order {
			t.Errorf("%s: the node was told %q, want %q", test.args, got, test.order)
		}
	}
}

func TestFaultRefused(t *testing.T) {
	f := newFakeNode(t)
	want(t, exitMisuse, []string{"unknown command"}, "fault", "explode")
	want(t, exitMisuse, []string{"it takes 1 to 2 nodes"}, "fault", "cut", f.addr())
	want(t, exitMisuse, []string{"--for -1s"}, "fault", "cut", "n1", "--for=-1s", f.addr())
	// A node's address does not tell where its process is.
	want(t, exitFailure, []string{"does not tell where its process is"}, "fault", "kill", "n1", f.addr())
	if len(f.orders) > 0 {
		t.Errorf("the node was told %q", f.orders)
	}
	f.code, f.answer = http.StatusConflict, `{"code":"ERR","error":"ERR faults are not enabled on this node"}`
	for _, args := range [][]string{{"cut", "n1", "n2"}, {"list"}, {"heal"}} {
		want(t, exitFailure, []string{"raftkv: faults are not enabled"}, append([]string{"fault", f.addr()}, args...)...)
	}
}
