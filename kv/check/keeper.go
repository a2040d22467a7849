package check

import (
	"context"
	"fmt"
	"time"

	"raftkv/kv"
	"raftkv/kv/history"
)

// keeper reads the keys that clients have left, and keeps one key of each window that
// was judged, to see in the end that all are there. Not safe for concurrent use.
type keeper struct{ *client }

// maxKept is how many windows' keys are looked at in the end: those of the last ones.
const maxKept = 1000

// until asks again until there is an answer or ctx ends.
func (k *keeper) until(ctx context.Context, words ...string) (kv.Reply, string, error) {
	r := request{words: [][]string{words}}
	for {
		reply, end, where := k.send(r)
		if end == done {
			return reply, k.run.nodeName(where), reply.Err()
		}
		if ctx.Err() != nil {
			return reply, "", fmt.Errorf("%s: %w", words[0], ctx.Err())
		}
		sleep(ctx, 10*time.Millisecond)
	}
}

// readAll adds a last read of each key to a window that all have left.
func (k *keeper) readAll(ctx context.Context, w *window) (complete bool) {
	for _, t := range w.tags {
		for _, key := range t.keys() {
			call := k.run.now()
			reply, node, err := k.until(ctx, "GET", key)
			if err != nil {
				return false
			}
			o := history.Operation{Client: k.id, Node: node, Note: Final, Call: call, At: call, Return: k.run.now(), Steps: []history.Step{{Kind: history.Get, Key: key}}}
			o.Answered(&reply)
			w.record(o)
		}
	}
	return true
}

func kept(run uint64, window int) string { return fmt.Sprintf("check:{%x-%d-0}:kept", run, window) }

// retire deletes the keys of a window that was judged, but one.
func (k *keeper) retire(ctx context.Context, w *window) {
	for _, t := range w.tags {
		k.until(ctx, append([]string{"DEL"}, t.keys()...)...)
	}
	key := kept(k.run.identity, w.number)
	if _, _, err := k.until(ctx, "SET", key, key); err == nil {
		k.last[key] = key
	}
	old := kept(k.run.identity, w.number-maxKept)
	if k.last[old] != "" {
		k.until(ctx, "DEL", old)
		delete(k.last, old)
	}
}

// verify reads the keys that were kept.
func (k *keeper) verify(ctx context.Context, report *Report) {
	for key, value := range k.last {
		reply, node, err := k.until(ctx, "GET", key)
		switch {
		case err != nil:
			report.undecided(Acknowledged, fmt.Sprintf("%s could not be read in the end", key))
			return
		case string(reply.Str) != value:
			report.wrong(Problem{Check: Acknowledged, Text: fmt.Sprintf("%s was written when its window was judged, and %s says now that it holds %q", key, node, reply.Str)})
		}
		report.counts.kept++
		k.until(ctx, "DEL", key)
	}
}

// probes is how many keys, spread over the slots, must be written to say that the
// cluster serves.
const probes = 16

// probe writes and reads keys in many slots.
func (k *keeper) probe(ctx context.Context) error {
	for i := range probes {
		key := fmt.Sprintf("check:%x:probe-%d", k.run.identity, i)
		for _, words := range [][]string{{"SET", key, "x", "PX", "60000"}, {"GET", key}, {"DEL", key}} {
			if _, _, err := k.until(ctx, words...); err != nil {
				return err
			}
		}
	}
	return nil
}
