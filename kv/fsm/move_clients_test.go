package fsm

import (
	"strconv"

	"raftkv/kv"
	"raftkv/kv/command"
)

// clientCommand sends one command to the side that serves the key, or to both if
// none does.
func (w *world) clientCommand() {
	key := w.keys[w.rnd.IntN(len(w.keys))]
	var raw []byte
	switch w.rnd.IntN(12) {
	case 0, 1:
		raw = cmd("SET", key, strconv.Itoa(w.rnd.IntN(1000)))
	case 2:
		raw = cmd("SET", key, "5", "PX", strconv.Itoa(1+w.rnd.IntN(60)))
	case 3:
		raw = cmd("INCR", key)
	case 4:
		raw = cmd("APPEND", key, "x")
	case 5, 6:
		raw = cmd("DEL", key)
	case 7:
		raw = cmd("PEXPIRE", key, strconv.Itoa(w.rnd.IntN(60)-5))
	case 8:
		raw = cmd("RAFTKV.ONCE", key, "client"+strconv.Itoa(w.rnd.IntN(3)), strconv.Itoa(1+w.rnd.IntN(30)), "INCR", key)
	case 9:
		raw = cmd("GET", key)
	case 10:
		w.transaction(key)
		return
	case 11:
		switch w.rnd.IntN(16) {
		case 0, 1:
			w.flush()
		case 2:
			w.flushAndSet()
		}
		return
	}
	w.execute(raw)
}

// execute sends a command to whoever serves the slots, and to the truth.
func (w *world) execute(raw []byte) kv.Reply {
	s := w.owner()
	if s == nil {
		w.stats.refused++
		for _, s := range w.groups {
			if r := s.apply(Commands, raw)[0]; kv.ReplyError(r.Str) != kv.ErrUnserved {
				w.t.Fatalf("frozen slots answer %s", r)
			}
		}
		return kv.Reply{}
	}
	w.stats.executed++
	got := s.apply(Commands, raw)[0]
	want := w.truth.apply(Commands, s.m.Clock(), raw)[0]
	if text(got) != text(want) {
		w.t.Fatalf("%q is answered %s by group %d, want %s", raw, got, s.number, want)
	}
	return got
}

// flush sends FLUSHALL to one of the groups.
func (w *world) flush() {
	s := w.groups[w.rnd.IntN(2)]
	raw := cmd("FLUSHALL")
	serves := s == w.owner()
	s.apply(Commands, raw)
	if serves {
		w.truth.apply(Commands, s.m.Clock(), raw)
	}
}

// flushAndSet sets keys before and behind a FLUSHALL of the same entry.
func (w *world) flushAndSet() {
	if s := w.owner(); s != nil {
		key := w.keys[w.rnd.IntN(len(w.keys))]
		entry := [][]byte{cmd("SET", w.keys[0], "before"), cmd("FLUSHALL"), cmd("SET", key, "behind")}
		s.apply(Commands, entry...)
		w.truth.apply(Commands, s.m.Clock(), entry...)
	}
}

// transaction watches a key, or executes what was prepared.
func (w *world) transaction(key string) {
	s := w.owner()
	if s == nil {
		return
	}
	if w.watch == nil {
		w.truth.apply(Tick, s.m.Clock())
		w.watch = &watched{key, s.m.state.store.Version([]byte(key)), w.truth.state.store.Version([]byte(key))}
		return
	}
	x := w.watch
	w.watch = nil
	raw := command.AppendExec(nil, []command.Watch{{Key: []byte(x.key), Version: x.version}}, [][][]byte{{[]byte("APPEND"), []byte(x.key), []byte("t")}})
	got := s.apply(Commands, raw)[0]
	w.truth.apply(Tick, s.m.Clock())
	if got.Kind == kv.NilArray {
		w.stats.abortedExecs++
		return
	}
	w.stats.passed++
	if now := w.truth.state.store.Version([]byte(x.key)); now != x.truth {
		w.t.Fatalf("a transaction passed although %q changed: version %d of %d", x.key, now, x.truth)
	}
	w.truth.apply(Commands, s.m.Clock(), cmd("APPEND", x.key, "t"))
}
