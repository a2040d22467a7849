package api

import (
	"context"
	"net"
	"net/http"

	"raftkv/kv"
)

// Faults is how the cluster is broken on purpose. An error is a kv.ReplyError with
// the code ERR: it is a refusal that says what to do instead.
type Faults interface {
	// Fault begins the fault of this line, such as "cut n1 n2 for 10s". With noted it
	// is one of processes, which whoever asks carries out.
	Fault(ctx context.Context, line string, noted bool) (kv.FaultStatus, error)
	// Heal ends a fault, or all if id is empty, and returns their lines.
	Heal(ctx context.Context, id string) ([]string, error)
	Faults(ctx context.Context) ([]kv.FaultStatus, error)
}

// healed is what DELETE /v1/faults answers.
type healed struct {
	Healed []string `json:"healed"` // lines of faults
}

func (h *handler) handleFaults(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/faults", h.faults)
	for pattern, do := range map[string]func(*http.Request, order) (any, error){
		"POST /v1/faults":        h.beginFault,
		"DELETE /v1/faults":      h.heal,
		"DELETE /v1/faults/{id}": h.heal,
	} {
		mux.HandleFunc(pattern, h.authorized(h.near(h.ordered(do))))
	}
}

// near refuses requests of other machines, unless a password says who may ask.
func (h *handler) near(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); h.opts.Password == "" && (err != nil || ip == nil || !ip.IsLoopback()) {
			writeError(w, http.StatusForbidden, "ERR faults are injected from this machine alone, unless the cluster has a password")
			return
		}
		next(w, r)
	}
}

func (h *handler) faults(w http.ResponseWriter, r *http.Request) {
	list, err := h.node.Faults(r.Context())
	if err != nil {
		writeError(w, statusOf(err), err.Error())
		return
	}
	writeJSON(w, http.StatusOK, list)
}

func (h *handler) beginFault(r *http.Request, o order) (any, error) {
	if o.Fault == "" {
		return nil, errOrder(`ERR say what shall break: {"fault":"cut n1 n2","for":"10s"}`)
	}
	line := o.Fault
	if o.For != "" {
		line += " for " + o.For
	}
	return h.node.Fault(r.Context(), line, o.Noted)
}

func (h *handler) heal(r *http.Request, _ order) (any, error) {
	lines, err := h.node.Heal(r.Context(), r.PathValue("id"))
	return healed{lines}, err
}
