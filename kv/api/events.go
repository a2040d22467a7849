package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"raftkv/kv"
)

const (
	// maxStreams is how many clients may follow the events of a node at a time.
	maxStreams = 100
	// streamBeat is how often a stream shows that it lives: who reads notices a node
	// that hangs.
	streamBeat = 2 * time.Second
	// streamWrite is how long a client may take to read what was sent.
	streamWrite = 10 * time.Second
)

// events streams what the cluster decides and what happens to it: as server-sent
// events, or as lines of JSON. With ?since=ID, or the header Last-Event-ID, it begins
// after that event, with since=now with what comes from now on; else with the oldest
// that is kept. With ?follow=false it ends with the newest.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since := q.Get("since")
	if since == "" {
		since = r.Header.Get("Last-Event-ID")
	}
	var at kv.EventPosition
	switch {
	case since == "now":
		at = h.node.EventsEnd()
	case since != "":
		var err error
		if at, err = kv.ParseEventPosition(since); err != nil {
			writeError(w, http.StatusBadRequest, "ERR since: "+err.Error())
			return
		}
	}
	follow := q.Get("follow")
	if follow != "" && follow != "true" && follow != "false" {
		writeError(w, http.StatusBadRequest, "ERR follow="+follow+": it is true or false")
		return
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("BUSY %d clients follow the events of this node; ask another one", maxStreams))
		return
	}
	s := stream{w: w, control: http.NewResponseController(w), lines: wantsLines(r)}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/event-stream")
	if s.lines {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	if s.begin(at) != nil {
		return
	}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		events, more := h.node.Events(at)
		if s.send(events) != nil {
			return // the client has gone, or does not read
		}
		if len(events) > 0 {
			at = after(at, events)
		}
		if follow == "false" {
			return
		}
		select {
		case <-more:
		case <-beat.C:
			if s.beat() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-h.opts.Stopping:
			return
		}
	}
}

// after is the position after all of events.
func after(at kv.EventPosition, events []kv.Event) kv.EventPosition {
	for _, e := range events {
		at = at.After(e)
	}
	return at
}

func wantsLines(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return true
	case "sse":
		return false
	}
	return strings.Contains(r.Header.Get("Accept"), "application/x-ndjson")
}

// stream writes events in one of two forms. Each of its methods sends what it
// writes, and fails if the client does not read.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	lines   bool // of JSON
}

// begin tells where the stream begins, so that a client that loses the connection
// before the first event can go on from there.
func (s *stream) begin(at kv.EventPosition) error {
	if s.lines {
		return s.flush(nil)
	}
	return s.flush(fmt.Appendf(nil, "id: %v\n\n", at))
}

func (s *stream) send(events []kv.Event) error {
	var b []byte
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if s.lines {
			b = append(append(b, text...), '\n')
		} else {
			b = fmt.Appendf(b, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, text)
		}
	}
	if len(b) == 0 {
		return nil
	}
	return s.flush(b)
}

// beat sends nothing that a client would take for an event.
func (s *stream) beat() error {
	if s.lines {
		return s.flush([]byte("\n"))
	}
	return s.flush([]byte(":\n\n"))
}

func (s *stream) flush(b []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.control.Flush()
}
