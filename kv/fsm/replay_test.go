package fsm

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"raftkv/kv/command"
	"raftkv/shard"
)

// drawEntry draws an entry of a group that owns most slots: mostly of commands that may
// be executed beside others, with some that may not, and clocks that let keys and sessions
// end.
func drawEntry(t *rapid.T, index uint64, clock int64) *raft.Log {
	key := func() string {
		return fmt.Sprintf("%sk%d", rapid.SampledFrom([]string{"", "{a}", "{b}"}).Draw(t, "tag"), rapid.IntRange(0, 30).Draw(t, "key"))
	}
	one := func() []byte {
		k := key()
		switch rapid.IntRange(0, 40).Draw(t, "command") {
		case 0:
			return cmd("SET", k, "v", "PX", fmt.Sprint(rapid.IntRange(1, 50).Draw(t, "ttl")))
		case 1:
			return cmd("RAFTKV.ONCE", k, "client", fmt.Sprint(index), "INCR", k)
		case 2:
			return command.AppendExec(nil, nil, [][][]byte{{[]byte("APPEND"), []byte(k), []byte("e")}})
		case 3:
			return cmd("FLUSHALL")
		case 4:
			return cmd("EXPIRE", k, "1")
		case 5:
			return cmd("SET", k)
		case 6:
			return cmd("MSET", "{a}x", "1", "{b}y", "2")
		case 7:
			return cmd("GET", k)
		case 8, 9:
			return cmd("DEL", k)
		case 10, 11:
			return cmd("incr", k)
		case 12, 13:
			return cmd("MSET", "{a}k1", k, "{a}k2", fmt.Sprint(index))
		case 14, 15:
			return cmd("APPEND", k, "x")
		case 16:
			return cmd("SETNX", k, "n")
		}
		return cmd("SET", k, fmt.Sprintf("%s of %d", k, index))
	}
	kind := Commands
	switch rapid.IntRange(0, 20).Draw(t, "kind") {
	case 0:
		kind = rapid.SampledFrom([]EntryKind{Tick, Barrier}).Draw(t, "empty")
	case 1:
		kind = Admin
	}
	data := AppendHeader(nil, kind, clock)
	switch kind {
	case Commands:
		for range rapid.IntRange(0, 12).Draw(t, "commands") {
			data = append(data, one()...)
		}
		if rapid.IntRange(0, 30).Draw(t, "cut") == 0 {
			data = data[:len(data)-min(len(data)-entryHeader, 3)]
		}
	case Admin:
		data = append(data, rapid.SampledFrom([][]byte{
			LimitValue(20), LimitValue(1000), OwnSlots(2, shard.All),
			ExportSlots(shard.Migration{Epoch: 7, To: 2, Slots: []shard.Range{{0, 9000}}}), FreezeSlots(7, 1), CancelMove(7, false),
		}).Draw(t, "admin")...)
	}
	return &raft.Log{Index: index, Term: 1 + index/50, Type: raft.LogCommand, Data: data}
}

// Entries that are replayed leave the state that they leave when they are applied one by
// one, whatever is executed beside what, and nothing of their bytes is kept.
func TestReplayIsApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, many := New(Options{Group: 1}), New(Options{Group: 1})
		replay := many.NewReplay()
		replay.SetWorkers(rapid.IntRange(1, 5).Draw(t, "workers"))
		replay.most = rapid.IntRange(1, 2000).Draw(t, "most")
		first := &raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: append(AppendHeader(nil, Admin, 0), OwnSlots(1, shard.Range{0, 16000})...)}
		one.Apply(first)
		replay.Apply(first)
		clock := int64(1000)
		var window []byte // as that of the log: what was in it is overwritten
		for index := uint64(2); index < uint64(rapid.IntRange(3, 120).Draw(t, "entries")); index++ {
			switch rapid.IntRange(0, 20).Draw(t, "time") {
			case 0:
				clock += SessionIdle.Milliseconds()
			case 1:
				clock -= 10
			default:
				clock += int64(rapid.IntRange(0, 5).Draw(t, "passes"))
			}
			log := drawEntry(t, index, clock)
			one.Apply(log)
			window = append(window[:0], log.Data...)
			replay.Apply(&raft.Log{Index: log.Index, Term: log.Term, Type: log.Type, Data: window})
			for i := range window {
				window[i] = 0xff
			}
			if rapid.IntRange(0, 30).Draw(t, "look") == 0 {
				replay.Flush()
				same(t, one, many)
			}
		}
		replay.Flush()
		same(t, one, many)
	})
}

func same(t *rapid.T, a, b *FSM) {
	write := func(f *FSM) string {
		var out bytes.Buffer
		if err := f.image().write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if write(a) != write(b) {
		t.Fatal("the images differ")
	}
	if a.Applied() != b.Applied() || a.LastEffect() != b.LastEffect() || a.Keys() != b.Keys() || a.Memory() != b.Memory() || a.Expiring() != b.Expiring() || a.Clock() != b.Clock() {
		t.Fatalf("applied %d, %d; effect %d, %d; %d, %d keys; %d, %d bytes; %d, %d expire; clock %d, %d", a.Applied(), b.Applied(), a.LastEffect(), b.LastEffect(),
			a.Keys(), b.Keys(), a.Memory(), b.Memory(), a.Expiring(), b.Expiring(), a.Clock(), b.Clock())
	}
}
