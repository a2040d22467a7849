package ask

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A node gets what the question says, and the answer comes back decoded.
func TestQuestionAndAnswer(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, password, _ := r.BasicAuth()
		json.NewEncoder(w).Encode([]string{r.Method, r.URL.RequestURI(), password, string(body)})
	}))
	defer node.Close()
	addr := strings.TrimPrefix(node.URL, "http://")
	for _, c := range []struct {
		question Question
		want     [4]string
	}{
		{Question{Path: "/v1/map?epoch=3"}, [4]string{"GET", "/v1/map?epoch=3", "", ""}},
		{Question{Method: "PUT", Path: "/v1/balance", Password: "p", Body: map[string]bool{"on": true}}, [4]string{"PUT", "/v1/balance", "p", `{"on":true}`}},
	} {
		c.question.Addr = addr
		var got [4]string
		if err := c.question.Into(t.Context(), &got); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c.question, got, err)
		}
	}
}

// A refusal is told from an answer that never came.
func TestRefusal(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/torn" {
			w.Header().Set("Content-Length", "100")
		}
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, " {} \n")
	}))
	defer node.Close()
	q := Question{Addr: strings.TrimPrefix(node.URL, "http://")}
	var no *Refusal
	if err := q.Into(t.Context(), nil); !errors.As(err, &no) || no.Text != "{}" || no.Code != 409 || no.Status != "409 Conflict" || no.Addr != q.Addr {
		t.Errorf("refused: %+v, %v", no, err)
	}
	q.Path = "/torn"
	if err := q.Into(t.Context(), nil); err == nil || errors.As(err, &no) {
		t.Errorf("torn: %v", err)
	}
}
