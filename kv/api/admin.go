package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/eventlog"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// Admin is what a person may order of the node's cluster. All orders may be given
// twice, but for AddGroup. An error is a kv.ReplyError: with the code ERR it is a
// refusal that tells what to do instead; CLUSTERDOWN says that nothing was done,
// UNCERTAIN that it may have been.
type Admin interface {
	// Change carries out a command from package controller.
	Change(ctx context.Context, change []byte) (controller.Reply, error)
	// Drain marks a node as draining. Only if it is forced may groups lose replicas that
	// nobody can take over.
	Drain(ctx context.Context, id string, force bool) (kv.Drained, error)
	// RemoveNode takes out a node that is empty and does not run.
	RemoveNode(ctx context.Context, id string) (controller.Reply, error)
	// AddGroup makes a group on these nodes, or where there is most room if none is
	// given.
	AddGroup(ctx context.Context, nodes []string) (controller.Reply, error)
	// MoveSlots begins migrations of slots to a group.
	MoveSlots(ctx context.Context, slots []shard.Range, to uint32, reason string) (kv.Move, error)
	// CancelMigration undoes the migration that began at an epoch.
	CancelMigration(ctx context.Context, epoch uint64) (controller.Reply, error)
	// LetLead hands a group to the voter on a node.
	LetLead(ctx context.Context, group uint32, node string) error
	// Trace sets which topics this node's trace follows, and of how many entries one
	// under load; nil leaves either as it is. It returns what is so then.
	Trace(topics []string, sample *uint64) ([]string, uint64)
}

const (
	// adminTimeout bounds an order. An election fits into it.
	adminTimeout = 10 * time.Second
	// maxOrder is the size of an order's body. All slots one by one fit.
	maxOrder = 1 << 20
)

// order is the body of all requests that have one; each uses its own fields.
type order struct {
	Nodes  []string      `json:"nodes"`
	Node   string        `json:"node"`
	Force  bool          `json:"force"`
	Slots  []shard.Range `json:"slots"`
	To     *uint32       `json:"to"`
	Reason string        `json:"reason"`
	On     *bool         `json:"on"`
	Topics *[]string     `json:"topics"`
	Sample *uint64       `json:"sample"`
	Fault  string        `json:"fault"`
	For    string        `json:"for"`
	Noted  bool          `json:"noted"`
}

// errOrder marks what is wrong with a request itself.
type errOrder string

func (e errOrder) Error() string { return string(e) }

// handleOrders adds the requests by which the cluster is changed.
func (h *handler) handleOrders(mux *http.ServeMux) {
	for pattern, do := range map[string]func(*http.Request, order) (any, error){
		"POST /v1/nodes/{id}/drain":     h.drainNode,
		"POST /v1/nodes/{id}/undrain":   h.undrainNode,
		"DELETE /v1/nodes/{id}":         h.removeNode,
		"POST /v1/groups":               h.addGroup,
		"DELETE /v1/groups/{id}":        h.removeGroup,
		"POST /v1/groups/{id}/leader":   h.letLead,
		"POST /v1/migrations":           h.moveSlots,
		"DELETE /v1/migrations/{epoch}": h.cancelMigration,
		"PUT /v1/balance":               h.setBalance,
		"GET /v1/log":                   h.showTrace,
		"PUT /v1/log":                   h.setTrace,
	} {
		mux.HandleFunc(pattern, h.authorized(h.ordered(do)))
	}
}

// ordered reads a request's body, and answers what do returns.
func (h *handler) ordered(do func(*http.Request, order) (any, error)) http.HandlerFunc {
	// A page that a browser shows must not give orders to a node on the same machine.
	foreign := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if err := foreign.Check(r); err != nil {
			writeError(w, http.StatusForbidden, "ERR orders are not taken from other sites' pages: "+err.Error())
			return
		}
		var body order
		if r.ContentLength != 0 {
			decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
			decoder.DisallowUnknownFields() // a misspelt one would be taken for none
			if err := decoder.Decode(&body); err != nil {
				writeError(w, http.StatusBadRequest, "ERR the body is not what this request takes: "+err.Error())
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
		defer cancel()
		answer, err := do(r.WithContext(ctx), body)
		if err != nil {
			writeError(w, statusOf(err), err.Error())
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

// statusOf returns the HTTP status of an order that failed.
func statusOf(err error) int {
	var wrong errOrder
	var reply kv.ReplyError
	switch {
	case errors.As(err, &wrong):
		return http.StatusBadRequest
	case !errors.As(err, &reply):
		return http.StatusInternalServerError
	case reply.Code() == "CLUSTERDOWN":
		return http.StatusServiceUnavailable
	case reply.Uncertain():
		return http.StatusGatewayTimeout
	}
	return http.StatusConflict
}

func (h *handler) drainNode(r *http.Request, o order) (any, error) {
	return h.node.Drain(r.Context(), r.PathValue("id"), o.Force)
}

func (h *handler) undrainNode(r *http.Request, _ order) (any, error) {
	return h.node.Change(r.Context(), controller.Undrain(r.PathValue("id")))
}

func (h *handler) removeNode(r *http.Request, _ order) (any, error) {
	return h.node.RemoveNode(r.Context(), r.PathValue("id"))
}

func (h *handler) addGroup(r *http.Request, o order) (any, error) {
	return h.node.AddGroup(r.Context(), o.Nodes)
}

func (h *handler) removeGroup(r *http.Request, _ order) (any, error) {
	id, err := groupID(r)
	if err != nil {
		return nil, err
	}
	return h.node.Change(r.Context(), controller.RemoveGroup(id))
}

func (h *handler) letLead(r *http.Request, o order) (any, error) {
	id, err := groupID(r)
	if err == nil && o.Node == "" {
		err = errOrder(`ERR say which node shall lead: {"node":"n2"}`)
	}
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.node.LetLead(r.Context(), id, o.Node)
}

func (h *handler) moveSlots(r *http.Request, o order) (any, error) {
	if len(o.Slots) == 0 || o.To == nil {
		return nil, errOrder(`ERR say which slots go to which group: {"slots":[[0,99],[512,512]],"to":2,"reason":"..."}`)
	}
	return h.node.MoveSlots(r.Context(), o.Slots, *o.To, o.Reason)
}

func (h *handler) cancelMigration(r *http.Request, _ order) (any, error) {
	epoch, err := strconv.ParseUint(r.PathValue("epoch"), 10, 64)
	if err != nil {
		return nil, errOrder("ERR " + strconv.Quote(r.PathValue("epoch")) + " is no migration: they are named by the epoch at which they began")
	}
	return h.node.CancelMigration(r.Context(), epoch)
}

func (h *handler) setBalance(r *http.Request, o order) (any, error) {
	if o.On == nil {
		return nil, errOrder(`ERR say {"on":true} or {"on":false}`)
	}
	return h.node.Change(r.Context(), controller.SetBalance(*o.On))
}

// showTrace answers what this node's trace follows.
func (h *handler) showTrace(*http.Request, order) (any, error) {
	return h.trace(nil, nil), nil
}

// setTrace sets what this node's trace follows, from now until it stops.
func (h *handler) setTrace(_ *http.Request, o order) (any, error) {
	if o.Topics == nil {
		return nil, errOrder(`ERR say which topics to follow: {"topics":["commit","replication"]}, {"topics":["all"]}, or {"topics":[]}`)
	}
	topics, err := eventlog.ParseTraceTopics(strings.Join(*o.Topics, ","))
	if err != nil {
		return nil, errOrder("ERR " + err.Error())
	}
	if topics == nil {
		topics = []string{}
	}
	return h.trace(topics, o.Sample), nil
}

func (h *handler) trace(topics []string, sample *uint64) traceState {
	topics, every := h.node.Trace(topics, sample)
	return traceState{topics, every, eventlog.TraceTopics()}
}

// traceState is the answer to both.
type traceState struct {
	Topics []string `json:"topics"`
	Sample uint64   `json:"sample"` // of how many entries one is followed under load
	Known  []string `json:"known"`
}

func groupID(r *http.Request) (uint32, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
	if err != nil {
		return 0, errOrder("ERR " + strconv.Quote(r.PathValue("id")) + " is no number of a group")
	}
	return uint32(id), nil
}
