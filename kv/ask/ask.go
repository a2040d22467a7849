// Package ask sends a question to one node over HTTP, for programs and tests that
// look at a cluster or change it. It tries once and follows nothing: who is asked
// next, and whether that is safe, is the caller's affair.
package ask

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Question is a request to a node.
type Question struct {
	Addr     string // of its HTTP port
	Method   string // GET if empty
	Path     string // with the query, if there is one
	Password string // none is sent if empty
	Body     any    // sent as JSON unless it is nil
	Web      Web
}

// Web is how nodes are spoken to over HTTP.
type Web struct{ TLS *tls.Config } // nil: plain HTTP

// URL returns the URL of a path, with its query, at a node's HTTP address.
func (w Web) URL(addr, path string) string {
	if w.TLS != nil {
		return "https://" + addr + path
	}
	return "http://" + addr + path
}

// Client returns what sends requests. Idle connections are kept for others only if
// all speak plain HTTP.
func (w Web) Client() *http.Client {
	if w.TLS == nil {
		return http.DefaultClient
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: w.TLS, DisableKeepAlives: true}}
}

// Refusal is a node's answer that it will not.
type Refusal struct {
	Addr   string
	Code   int    // 503
	Status string // "503 Service Unavailable"
	Text   string // the body
}

func (e *Refusal) Error() string { return e.Addr + ": " + e.Text }

// Raw returns the body of the answer. Any status but 200 is a *Refusal; every other
// error means that no whole answer came, so nobody knows what the node did. The
// caller's context alone bounds how long that takes.
func (q Question) Raw(ctx context.Context) ([]byte, error) {
	var payload io.Reader
	if q.Body != nil {
		b, err := json.Marshal(q.Body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, q.Method, q.Web.URL(q.Addr, q.Path), payload)
	if err != nil {
		return nil, err
	}
	if q.Password != "" {
		request.SetBasicAuth("", q.Password)
	}
	response, err := q.Web.Client().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &Refusal{Addr: q.Addr, Code: response.StatusCode, Status: response.Status, Text: strings.TrimSpace(string(answer))}
	}
	return answer, nil
}

// Into decodes the answer into out, or throws it away if out is nil.
func (q Question) Into(ctx context.Context, out any) error {
	answer, err := q.Raw(ctx)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}
