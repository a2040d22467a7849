package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"raftkv/shard"
	"raftkv/shard/controller"
)

// Admin is what people may change about a cluster, through any node.
type Admin interface {
	// Change changes the shard map; the change comes from package controller.
	Change(ctx context.Context, change []byte) (controller.Reply, error)
	// MoveSlots begins migrations of slots to a group and returns their epochs; none
	// if there is nothing to do.
	MoveSlots(ctx context.Context, slots []shard.Range, to uint32, reason string) ([]uint64, error)
	MoveLeader(ctx context.Context, group uint32, to string) error
}

// adminTimeout bounds a change. A refusal comes at once; without a leader of the
// controller's group nothing can be changed.
const adminTimeout = 10 * time.Second

// maxAdminBody bounds what describes a change, in bytes.
const maxAdminBody = 1 << 20

func (h *handler) admin(mux *http.ServeMux) {
	change := func(pattern string, fn func(ctx context.Context, r *http.Request, body []byte) (any, error)) {
		mux.HandleFunc(pattern, h.authorized(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
			defer cancel()
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAdminBody))
			if err != nil {
				writeError(w, http.StatusBadRequest, "ERR "+err.Error())
				return
			}
			out, err := fn(ctx, r, body)
			switch {
			case err == nil:
				writeJSON(w, http.StatusOK, out)
			default:
				writeError(w, http.StatusConflict, "REFUSED "+strings.TrimPrefix(err.Error(), "change of the map: "))
			}
		}))
	}
	byNode := func(make func(string) []byte) func(context.Context, *http.Request, []byte) (any, error) {
		return func(ctx context.Context, r *http.Request, _ []byte) (any, error) {
			return h.node.Change(ctx, make(r.PathValue("id")))
		}
	}
	change("POST /v1/nodes/{id}/drain", byNode(controller.Drain))
	change("POST /v1/nodes/{id}/undrain", byNode(controller.Undrain))
	change("DELETE /v1/nodes/{id}", byNode(controller.RemoveNode))
	change("POST /v1/groups", h.addGroup)
	change("DELETE /v1/groups/{id}", func(ctx context.Context, r *http.Request, _ []byte) (any, error) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
		if err != nil {
			return nil, err
		}
		return h.node.Change(ctx, controller.RemoveGroup(uint32(id)))
	})
	change("POST /v1/groups/{id}/leader", h.moveLeader)
	change("POST /v1/migrations", h.moveSlots)
	change("DELETE /v1/migrations/{epoch}", func(ctx context.Context, r *http.Request, _ []byte) (any, error) {
		epoch, err := strconv.ParseUint(r.PathValue("epoch"), 10, 64)
		if err != nil {
			return nil, err
		}
		return h.node.Change(ctx, controller.CancelMigration(epoch))
	})
	change("PUT /v1/balance", func(ctx context.Context, _ *http.Request, body []byte) (any, error) {
		var in struct {
			On bool `json:"on"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return h.node.Change(ctx, controller.SetBalance(in.On))
	})
}

// addGroup makes a group on the nodes that are given.
func (h *handler) addGroup(ctx context.Context, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Nodes []string `json:"nodes"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	m, err := h.node.Map(0)
	if err != nil {
		return nil, err
	}
	// Asked twice it would make two.
	return h.node.Change(ctx, controller.At(m.Epoch, controller.AddGroup(in.Nodes)))
}

func (h *handler) moveLeader(ctx context.Context, r *http.Request, body []byte) (any, error) {
	var in struct {
		Node string `json:"node"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.node.MoveLeader(ctx, uint32(id), in.Node)
}

// moveSlots begins migrations.
func (h *handler) moveSlots(ctx context.Context, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Slots  string `json:"slots"`
		To     uint32 `json:"to"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	slots, err := shard.ParseRanges(in.Slots)
	if err != nil {
		return nil, err
	}
	if in.Reason == "" {
		in.Reason = "a person asked for it"
	}
	epochs, err := h.node.MoveSlots(ctx, slots, in.To, in.Reason)
	return map[string][]uint64{"migrations": append([]uint64{}, epochs...)}, err
}
