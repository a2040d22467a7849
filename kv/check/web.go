package check

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/history"
)

// overHTTP sends an operation of one step to one node, which executes it on the
// leader, whoever that is. It is sent once.
func (c *client) overHTTP(r request, patience time.Duration) (kv.Reply, outcome) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	step := &r.op.Steps[0]
	method, value := http.MethodGet, ""
	if step.Kind == history.Set {
		method, value = http.MethodPut, step.Value
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.node+"/v1/kv/"+url.PathEscape(step.Key), strings.NewReader(value))
	if err != nil {
		return kv.Reply{}, refused
	}
	if password := c.run.config.Password; password != "" {
		request.SetBasicAuth("", password)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		end, _ := outcomeOf(kv.Reply{}, err)
		return kv.Reply{}, end
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case response.StatusCode == http.StatusOK && err == nil:
		return kv.Reply{Kind: kv.Bulk, Str: answer}, done
	case response.StatusCode == http.StatusNoContent:
		return kv.Reply{Kind: kv.Simple, Str: []byte("OK")}, done
	case response.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return kv.Reply{Kind: kv.Nil}, done
	case response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusInsufficientStorage:
		return kv.Reply{}, refused
	case response.StatusCode == http.StatusGatewayTimeout, err != nil:
		return kv.Reply{}, unknown
	}
	return kv.Reply{Kind: kv.Error, Str: answer}, done
}
