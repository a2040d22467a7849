package api

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"raftkv/kv"
)

// eventNode has events that tests add.
type eventNode struct {
	Node
	mu     sync.Mutex
	events []kv.Event
	more   chan struct{}
}

func newEventNode(epochs int) *eventNode {
	n := &eventNode{more: make(chan struct{})}
	for range epochs {
		n.add()
	}
	return n
}

// add adds the event of the next epoch.
func (n *eventNode) add() {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := kv.Event{Epoch: uint64(len(n.events) + 1), Kind: "set-balance", Text: "the balancer is on", Reason: "because\nof it"}
	e.ID = kv.EventPosition{}.After(e).String()
	n.events = append(n.events, e)
	close(n.more)
	n.more = make(chan struct{})
}

func (n *eventNode) Events(after kv.EventPosition) ([]kv.Event, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.events[after.Epoch:], n.more
}

func (n *eventNode) EventsEnd() kv.EventPosition {
	n.mu.Lock()
	defer n.mu.Unlock()
	return kv.EventPosition{Epoch: uint64(len(n.events))}
}

func serveEvents(t *testing.T, n *eventNode) string {
	s := httptest.NewServer(New(n, Options{Metrics: prometheus.NewRegistry()}))
	t.Cleanup(s.Close)
	return s.URL + "/v1/events"
}

func open(t *testing.T, url string, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestEventForms(t *testing.T) {
	url := serveEvents(t, newEventNode(3)) + "?follow=false"
	const data = `{"id":"3.0","time":"0001-01-01T00:00:00Z","kind":"set-balance","group":0,"epoch":3,"text":"the balancer is on","reason":"because\nof it"}`
	for _, test := range []struct {
		query, header, value string
		status               int
		kind, body           string
	}{
		{"&since=2.0", "Accept", "*/*", 200, "text/event-stream", "id: 2.0\n\nid: 3.0\nevent: set-balance\ndata: " + data + "\n\n"},
		{"", "Last-Event-ID", "2.0", 200, "text/event-stream", "id: 2.0\n\nid: 3.0\nevent: set-balance\ndata: " + data + "\n\n"},
		{"&since=2.0", "Accept", "application/x-ndjson", 200, "application/x-ndjson", data + "\n"},
		{"&since=2.0&format=json", "Last-Event-ID", "0.0", 200, "application/x-ndjson", data + "\n"},
		{"&since=now", "Accept", "text/event-stream", 200, "text/event-stream", "id: 3.0\n\n"},
		{"&since=yesterday", "Accept", "*/*", 400, "application/json", `{"code":"ERR","error":"ERR since: \"yesterday\" is no position in the stream of events: take the id of an event"}` + "\n"},
		{"&since=1.-1", "Accept", "*/*", 400, "application/json", `{"code":"ERR","error":"ERR since: \"1.-1\" is no position in the stream of events: take the id of an event"}` + "\n"},
	} {
		response := open(t, url+test.query, test.header, test.value)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != test.status || response.Header.Get("Content-Type") != test.kind || string(body) != test.body {
			t.Errorf("%s %s: %s: %d %s %q, %v", test.query, test.header, test.value, response.StatusCode, response.Header.Get("Content-Type"), body, err)
		}
	}
}

// A stream goes on with what comes, shows that it lives, and ends with its client;
// and there are not more of them than a node can bear.
func TestEventsFollow(t *testing.T) {
	n := newEventNode(1)
	url := serveEvents(t, n)
	lines := bufio.NewScanner(open(t, url+"?format=json").Body)
	for epoch := 1; epoch < 4; epoch++ {
		if !lines.Scan() || !strings.Contains(lines.Text(), fmt.Sprintf(`"id":"%d.0"`, epoch)) {
			t.Fatalf("line %q, %v; want the event of epoch %d", lines.Text(), lines.Err(), epoch)
		}
		n.add()
	}
	for lines.Scan() && lines.Text() != "" {
	}
	if lines.Err() != nil {
		t.Fatalf("no beat: %v", lines.Err())
	}

	var last *http.Response
	for range maxStreams - 1 {
		last = open(t, url+"?since=now")
	}
	if refused := open(t, url); refused.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more than %d is answered with %d", maxStreams, refused.StatusCode)
	}
	last.Body.Close()
	for {
		response := open(t, url+"?follow=false")
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return // the test's time limit bounds it
		}
	}
}
