package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/ask"
)

const (
	// eventSilence is how long a stream of events may be silent before its node is
	// taken to hang: it sends something every 2 s.
	eventSilence = 5 * time.Second
	// eventRetry is how long the reader waits before it asks all nodes again.
	eventRetry = 500 * time.Millisecond
)

// eventReader reads the stream of events, each event once, from one node after the
// other. One goroutine uses it.
type eventReader struct {
	addrs  func() ([]string, error)
	web    ask.Web
	at     string     // how far it has read: the id of an event, "now", or "" for the beginning
	recent []kv.Event // that were told
}

// errTold is what the receiver of the events fails with: it ends the reading.
type errTold struct{ error }

// follow reads until ctx ends, from another node when one ends or hangs.
func (r *eventReader) follow(ctx context.Context, tell func(kv.Event) error) error {
	for ctx.Err() == nil {
		addrs, err := r.addrs()
		if err != nil {
			return err
		}
		for _, addr := range addrs {
			err := r.read(ctx, addr, true, tell)
			if told := (errTold{}); errors.As(err, &told) {
				return told.error
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-time.After(eventRetry):
		case <-ctx.Done():
		}
	}
	return nil
}

// read reads what a node has, and with follow what comes until the connection ends.
func (r *eventReader) read(ctx context.Context, addr string, follow bool, tell func(kv.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(eventSilence, cancel)
	defer silence.Stop()
	query := url.Values{"follow": {fmt.Sprint(follow)}, "format": {"sse"}}
	if r.at != "" {
		query.Set("since", r.at)
	}
	where := r.web.URL(addr, "/v1/events?"+query.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	response, err := r.web.Client().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		return refusal(where, response.StatusCode, response.Status, answer)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		silence.Reset(eventSilence)
		if err := r.line(lines.Text(), tell); err != nil {
			return err
		}
	}
	return lines.Err()
}

// maxAnswer is more than an event takes, in bytes.
const maxAnswer = 1 << 20

// line takes a line of the stream.
func (r *eventReader) line(line string, tell func(kv.Event) error) error {
	name, value, _ := strings.Cut(line, ": ")
	switch name {
	case "id":
		r.at = value
	case "data":
		var e kv.Event
		if err := json.Unmarshal([]byte(value), &e); err != nil {
			return err
		}
		if !r.repeated(e) {
			if err := tell(e); err != nil {
				return errTold{err}
			}
		}
	}
	return nil
}

// repeated tells whether e was told by another node's stream, with another number.
func (r *eventReader) repeated(e kv.Event) bool {
	if slices.ContainsFunc(r.recent, e.Repeats) {
		return true
	}
	if len(r.recent) == mostRecent {
		r.recent = r.recent[1:]
	}
	r.recent = append(r.recent, e)
	return false
}

// mostRecent is how many events back a repetition is looked for.
const mostRecent = 100
