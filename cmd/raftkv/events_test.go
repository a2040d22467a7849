package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"raftkv/kv"
)

// streamOf serves a stream of events that ends, and notes since when it was asked.
func streamOf(t *testing.T, asked *[]string, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Query().Get("since"))
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// When a node ends, the next one goes on where it was, and nothing is told twice,
// even if another leader of the controller repeats it under a number of its own.
func TestEventsFollowAnotherNode(t *testing.T) {
	var first, second []string
	leads := func(seq int) string {
		return fmt.Sprintf("id: 4.%d\nevent: leader\ndata: {\"kind\":\"leader\",\"node\":\"n2\",\"group\":1,\"term\":3,\"seq\":%d,\"text\":\"n2 leads\"}\n\n", seq, seq)
	}
	a := streamOf(t, &first, "id: 4.7\n\n:\n\n"+leads(8))
	b := streamOf(t, &second, "id: 4.8\n\n"+leads(100)+"id: 5.100\nevent: x\ndata: {\"epoch\":5,\"text\":\"moved\",\"reason\":\"heat\"}\n\n")
	ctx, cancel := context.WithCancel(t.Context())
	var told []string
	reader := eventReader{at: "now", addrs: func() ([]string, error) { return []string{a, "127.0.0.1:1", b}, nil }}
	err := reader.follow(ctx, func(e kv.Event) error {
		if told = append(told, e.String()); len(told) == 2 {
			cancel()
		}
		return nil
	})
	if err != nil || !slices.Equal(told, []string{"n2 leads", "moved: heat"}) {
		t.Errorf("told %q, %v", told, err)
	}
	if !slices.Equal(first, []string{"now"}) || !slices.Equal(second, []string{"4.8"}) || reader.at != "5.100" {
		t.Errorf("asked since %q and %q, ended at %s", first, second, reader.at)
	}
}

func TestEvents(t *testing.T) {
	var asked []string
	addr := streamOf(t, &asked, "id: 0.0\n\nid: 5.0\nevent: x\ndata: {\"id\":\"5.0\",\"epoch\":5,\"text\":\"moved\",\"reason\":\"a < b\"}\n\n")
	want(t, 0, []string{" moved: a < b\n"}, "events", "--addr", addr)
	want(t, 0, []string{`{"id":"5.0",`, `"reason":"a < b"}`}, "events", "--addr", addr, "--json", "--since", "4.0")
	want(t, exitMisuse, []string{"no position"}, "events", "--addr", addr, "--since", "yesterday")
	want(t, exitFailure, []string{"no node answers"}, "events", "--addr", "127.0.0.1:1")
	if !slices.Equal(asked, []string{"", "4.0"}) {
		t.Errorf("asked since %q", asked)
	}
}
