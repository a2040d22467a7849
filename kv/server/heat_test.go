package server_test

import (
	"testing"
	"time"

	"raftkv/kv/resp"
	"raftkv/kv/server"
	"raftkv/shard/heat"
)

// Every command that is served is counted once, as what it is, whatever way it came;
// what was refused is not, even if it was tried.
func TestAllThatIsServedIsHeat(t *testing.T) {
	set := func(value string) int { return len(resp.AppendCommand(nil, "SET", "a", value)) }
	for _, x := range []struct {
		what string
		do   func(t *testing.T, w *world)
		want heat.SlotHeat
	}{
		{"a turn", func(t *testing.T, w *world) {
			p := w.dial(t)
			p.send("SET", "a", "xyz")
			p.want("OK")
			p.send("GET", "a")
			p.want("xyz")
		}, heat.SlotHeat{Reads: 1, ReadBytes: 3, Writes: 1, WriteBytes: float64(set("xyz"))}},
		{"a transaction", func(t *testing.T, w *world) {
			p := w.dial(t)
			for _, c := range [][]string{{"MULTI"}, {"SET", "a", "1"}, {"PING"}, {"GET", "a"}, {"SET", "a", "22"}, {"EXEC"}} {
				p.send(c...)
			}
			for _, want := range []string{"OK", "QUEUED", "QUEUED", "QUEUED", "QUEUED", "[OK PONG 1 OK]"} {
				p.want(want)
			}
		}, heat.SlotHeat{Reads: 1, ReadBytes: 1, Writes: 2, WriteBytes: float64(set("1") + set("22"))}},
		{"HTTP", func(t *testing.T, w *world) {
			for _, args := range [][][]byte{{[]byte("SET"), []byte("a"), []byte("1")}, {[]byte("GET"), []byte("a")}} {
				w.Do(t.Context(), args)
			}
		}, heat.SlotHeat{Reads: 1, ReadBytes: 1, Writes: 1, WriteBytes: float64(set("1"))}},
		{"a slot that comes back", func(t *testing.T, w *world) {
			w.of("a").refuse(1)
			p := w.dial(t)
			p.send("SET", "a", "1")
			p.want("OK")
		}, heat.SlotHeat{Writes: 1, WriteBytes: float64(set("1"))}},
		{"a transaction on a slot that comes back", func(t *testing.T, w *world) {
			w.of("a").refuse(1)
			p := w.dial(t)
			for _, c := range [][]string{{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}} {
				p.send(c...)
			}
			for _, want := range []string{"OK", "QUEUED", "[OK]"} {
				p.want(want)
			}
		}, heat.SlotHeat{Writes: 1, WriteBytes: float64(set("1"))}},
	} {
		eachWay(t, server.Options{}, func(t *testing.T, w *world) {
			g, now := w.of("a"), time.Unix(1_700_000_000, 0)
			g.heat.Reset(now)
			x.do(t, w)
			g.heat.Fold(now.Add(time.Second))
			if got := g.heat.Total(); got != x.want {
				t.Errorf("%s: %+v, want %+v", x.what, got, x.want)
			}
		})
	}
}
