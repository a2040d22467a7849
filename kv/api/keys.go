package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"raftkv/kv"
)

// get answers a key's value as it is, or 404.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	reply, ok := h.do(w, r, "GET", []byte(r.PathValue("key")))
	if !ok {
		return
	}
	if reply.Kind == kv.Nil {
		writeError(w, http.StatusNotFound, "NOTFOUND there is no such key")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply.Str)))
	w.Write(reply.Str)
}

// put sets a key to the request's body; ?ttl=10s makes it expire.
func (h *handler) put(w http.ResponseWriter, r *http.Request) {
	value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.opts.MaxValue)))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			writeError(w, http.StatusRequestEntityTooLarge, "ERR the value is larger than "+strconv.Itoa(h.opts.MaxValue)+" bytes (flag --max-value)")
			return
		}
		writeError(w, http.StatusBadRequest, "ERR the body could not be read: "+err.Error())
		return
	}
	args := [][]byte{[]byte(r.PathValue("key")), value}
	if text := r.URL.Query().Get("ttl"); text != "" {
		ttl, err := time.ParseDuration(text)
		if err != nil || ttl < time.Millisecond {
			writeError(w, http.StatusBadRequest, "ERR ttl="+text+" is no duration such as 1500ms, 10s or 2h")
			return
		}
		args = append(args, []byte("PX"), strconv.AppendInt(nil, ttl.Milliseconds(), 10))
	}
	if _, ok := h.do(w, r, "SET", args...); ok {
		w.WriteHeader(http.StatusNoContent)
	}
}

// del removes a key; 404 if it was not there.
func (h *handler) del(w http.ResponseWriter, r *http.Request) {
	reply, ok := h.do(w, r, "DEL", []byte(r.PathValue("key")))
	if !ok {
		return
	}
	if reply.Int == 0 {
		writeError(w, http.StatusNotFound, "NOTFOUND there is no such key")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// do executes a command; if it fails, the error is answered and ok is false.
func (h *handler) do(w http.ResponseWriter, r *http.Request, name string, args ...[]byte) (reply kv.Reply, ok bool) {
	if r.PathValue("key") == "" {
		writeError(w, http.StatusBadRequest, "ERR the key is empty: use /v1/kv/KEY")
		return reply, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), keyTimeout)
	defer cancel()
	reply = h.node.Do(ctx, append([][]byte{[]byte(name)}, args...)...)
	if reply.Kind != kv.Error {
		return reply, true
	}
	text := kv.ReplyError(reply.Str)
	status := http.StatusBadRequest
	switch text.Code() {
	case "CLUSTERDOWN", "MOVED", "BUSY":
		status = http.StatusServiceUnavailable
	case "UNCERTAIN":
		status = http.StatusGatewayTimeout
	case "OOM":
		status = http.StatusInsufficientStorage
	}
	if text == kv.ErrDiskFull {
		status = http.StatusInsufficientStorage
	}
	writeError(w, status, string(text))
	return reply, false
}
