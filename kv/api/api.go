// Package api serves a node over HTTP: keys for curl, status and health for
// people and supervisors, metrics for Prometheus.
package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// Node is what the API needs of its node. Its methods may be called from any
// goroutine.
type Node interface {
	Admin
	Faults
	// Do executes one command on data, wherever its leader is.
	Do(ctx context.Context, args ...[]byte) kv.Reply
	Status(ctx context.Context) kv.Status
	// Map returns the shard map of an epoch, or the newest if epoch is 0. It fails
	// with controller.ErrNoMap for one that is not known.
	Map(epoch uint64) (*shard.Map, error)
	// Hot tells where the load is, top slots and keys at most.
	Hot(ctx context.Context, top int) (kv.HotStatus, error)
	// PlanNow returns what the balancer would do now.
	PlanNow(ctx context.Context) (kv.PlanStatus, error)
	// Migrations lists those that are under way.
	Migrations(ctx context.Context) ([]kv.Migration, error)
	// Events returns what was decided and what happened after a position, and a
	// channel that closes when there is more; EventsEnd the position after all of it.
	Events(after kv.EventPosition) ([]kv.Event, <-chan struct{})
	EventsEnd() kv.EventPosition
	// Digest sums up the replicas on this node. It costs as much as a snapshot.
	Digest() (kv.Digest, error)
	// Ready returns nil if the node serves linearizable reads now.
	Ready(ctx context.Context) error
	// Failure returns why the node had to stop, or nil.
	Failure() error
}

// Options configure the API.
type Options struct {
	Password string // for keys and orders: as bearer token or basic auth; empty: none
	MaxValue int    // bytes
	Metrics  prometheus.Gatherer
	Pprof    bool // serve Go's profiles under /debug/pprof/
	Logger   *slog.Logger
	Stopping <-chan struct{} // closes when the node stops: streams of events end; may be nil
}

// Bounds of how long a request may take.
const (
	keyTimeout    = 5 * time.Second
	healthTimeout = time.Second
)

type handler struct {
	node    Node
	opts    Options
	streams chan struct{} // holds one for each stream of events
}

// New returns the handler of a node's HTTP port.
func New(node Node, opts Options) http.Handler {
	h := &handler{node: node, opts: opts, streams: make(chan struct{}, maxStreams)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/kv/{key...}", h.authorized(h.get))
	mux.HandleFunc("PUT /v1/kv/{key...}", h.authorized(h.put))
	mux.HandleFunc("DELETE /v1/kv/{key...}", h.authorized(h.del))
	mux.HandleFunc("GET /v1/status", h.status)
	mux.HandleFunc("GET /v1/map", h.shardMap)
	mux.HandleFunc("GET /v1/balance/plan", h.plan)
	mux.HandleFunc("GET /v1/hot", h.authorized(h.hot)) // it shows keys
	mux.HandleFunc("GET /v1/events", h.events)
	mux.HandleFunc("GET /v1/migrations", h.migrations)
	mux.HandleFunc("GET /v1/digest", h.authorized(h.digest))
	h.handleOrders(mux)
	h.handleFaults(mux)
	mux.HandleFunc("GET /healthz", h.healthy)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(opts.Metrics, promhttp.HandlerOpts{}))
	if opts.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}

// authorized asks for the password, if there is one.
func (h *handler) authorized(next http.HandlerFunc) http.HandlerFunc {
	if h.opts.Password == "" {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		given := ""
		if _, password, ok := r.BasicAuth(); ok {
			given = password
		} else if auth := r.Header.Get("Authorization"); len(auth) > 7 && auth[:7] == "Bearer " {
			given = auth[7:]
		}
		if subtle.ConstantTimeCompare([]byte(given), []byte(h.opts.Password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="raftkv"`)
			writeError(w, http.StatusUnauthorized, "NOAUTH give the node's password: curl -u :PASSWORD")
			return
		}
		next(w, r)
	}
}

func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, h.node.Status(r.Context()))
}

// shardMap answers the shard map, with ?epoch=N an earlier one.
func (h *handler) shardMap(w http.ResponseWriter, r *http.Request) {
	var epoch uint64
	if text := r.URL.Query().Get("epoch"); text != "" {
		var err error
		if epoch, err = strconv.ParseUint(text, 10, 64); err != nil || epoch == 0 {
			writeError(w, http.StatusBadRequest, "ERR epoch="+text+" is no number of a map: they count from 1")
			return
		}
	}
	m, err := h.node.Map(epoch)
	switch {
	case errors.Is(err, controller.ErrNoMap):
		writeError(w, http.StatusNotFound, "NOTFOUND "+err.Error())
	case err != nil:
		writeError(w, http.StatusServiceUnavailable, "CLUSTERDOWN "+err.Error())
	default:
		writeJSON(w, http.StatusOK, m)
	}
}

// hot answers where the load is; ?top=N lists more slots and keys.
func (h *handler) hot(w http.ResponseWriter, r *http.Request) {
	top := 20
	if text := r.URL.Query().Get("top"); text != "" {
		var err error
		if top, err = strconv.Atoi(text); err != nil || top < 1 {
			writeError(w, http.StatusBadRequest, "ERR top="+text+" is no positive number")
			return
		}
	}
	status, err := h.node.Hot(r.Context(), top)
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, "CLUSTERDOWN "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, status)
}

// plan answers what the balancer would do now.
func (h *handler) plan(w http.ResponseWriter, r *http.Request) {
	p, err := h.node.PlanNow(r.Context())
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, "CLUSTERDOWN "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, p)
}

// migrations answers what is on its way, and how far it is.
func (h *handler) migrations(w http.ResponseWriter, r *http.Request) {
	list, err := h.node.Migrations(r.Context())
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, "CLUSTERDOWN "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// digest answers hashes of this node's replicas.
func (h *handler) digest(w http.ResponseWriter, _ *http.Request) {
	d, err := h.node.Digest()
	if err != nil {
		writeError(w, http.StatusInternalServerError, "ERR "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, d)
}

// healthy tells a supervisor whether the process should be restarted.
func (h *handler) healthy(w http.ResponseWriter, _ *http.Request) {
	if err := h.node.Failure(); err != nil {
		writeError(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready tells a load balancer whether clients should be sent here.
func (h *handler) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	if err := h.node.Ready(ctx); err != nil {
		writeError(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(body) // an error means that the client has gone
}

// writeError answers with an error as JSON: its code is the first word, as in
// Redis replies.
func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"code": kv.ReplyError(text).Code(), "error": text})
}
