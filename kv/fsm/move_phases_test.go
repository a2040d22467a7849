package fsm

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"pgregory.net/rapid"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/migrate"
	"raftkv/snapshot"
)

// moveSlot is the slot of key "a", of which these tests are.
var moveSlot = shard.Slot([]byte("a"))

var oneSlot = shard.Migration{Epoch: 7, Slots: []shard.Range{{moveSlot, moveSlot}}, From: 1, To: 2}

// emptyDigest is that of slots without keys and sessions.
var emptyDigest migrate.Digest

// moveSteps are the commands of a migration, in attempt and run 1.
var moveSteps = map[string][]byte{
	"export": ExportSlots(oneSlot), "freeze": FreezeSlots(7, 1), "seal": SealSlots(7, 1), "thaw": ThawSlots(7, 1, false),
	"thaw fenced": ThawSlots(7, 1, true), "cancel": CancelMove(7, false), "cancel fenced": CancelMove(7, true), "delete": DeleteMoved(7),
	"install": InstallSlots(oneSlot, 1, 1), "chunk": InstallChunk(7, 1, 1, 5, nil), "wipe": WipeInstalled(7, 1, 1, true),
	"activate": ActivateSlots(7, 1, 0, emptyDigest), "abort": AbortMove(7),
}

// What each command does in each phase: the phase it leads to, or the error.
// What is not listed is REFUSED.
func TestPhases(t *testing.T) {
	for _, phase := range []struct {
		name  migrate.Phase
		owns  bool
		reach []string // commands that lead to it
		does  map[string]string
		state SlotState
	}{
		{migrate.Unknown, true, nil, map[string]string{"export": "exporting", "cancel": "canceled", "cancel fenced": "canceled", "abort": "aborted"}, Owned},
		{migrate.Unknown, false, nil, map[string]string{"install": "installing", "cancel": "canceled", "cancel fenced": "canceled", "abort": "aborted"}, Absent},
		{migrate.Exporting, true, []string{"export"}, map[string]string{"export": "exporting", "freeze": "frozen", "cancel": "canceled", "cancel fenced": "canceled"}, Exporting},
		{migrate.Frozen, true, []string{"export", "freeze"}, map[string]string{"export": "frozen", "freeze": "frozen", "seal": "sealed", "thaw": "exporting",
			"thaw fenced": "exporting", "cancel": "canceled", "cancel fenced": "canceled"}, Frozen},
		{migrate.Sealed, true, []string{"export", "freeze", "seal"}, map[string]string{"export": "sealed", "freeze": "sealed", "seal": "sealed", "thaw": "SEALED",
			"thaw fenced": "exporting", "cancel": "SEALED", "cancel fenced": "canceled", "delete": "deleted"}, Frozen},
		{migrate.Deleted, true, []string{"export", "freeze", "seal", "delete"}, map[string]string{"delete": "deleted", "*": "ENDED"}, Absent},
		{migrate.Canceled, true, []string{"export", "cancel"}, map[string]string{"cancel": "canceled", "cancel fenced": "canceled", "*": "ENDED"}, Owned},
		{migrate.Installing, false, []string{"install"}, map[string]string{"install": "installing", "chunk": "installing", "wipe": "installing",
			"activate": "activated", "abort": "aborted"}, Installing},
		{migrate.Aborted, false, []string{"install", "abort"}, map[string]string{"abort": "aborted", "*": "ENDED"}, Absent},
		{migrate.Activated, false, []string{"install", "activate"}, map[string]string{"activate": "activated", "*": "ACTIVATED"}, Owned},
	} {
		for name, command := range moveSteps {
			m := &machine{FSM: New(Options{Group: 1})}
			if phase.owns {
				m.apply(Admin, 0, OwnSlots(1, shard.All))
			}
			for _, step := range phase.reach {
				if r := m.apply(Admin, 0, moveSteps[step])[0]; r.Kind == kv.Error {
					t.Fatalf("%s, on the way to %s: %s", step, phase.name, r)
				}
			}
			if st := m.Migration(7); st.Phase != phase.name || m.state.slots.state[moveSlot] != phase.state || m.Serves(moveSlot) != phase.state.Serves() {
				t.Fatalf("%v leads to %v and %s", phase.reach, st, m.state.slots.state[moveSlot])
			}
			before := m.snapshot(t)
			want, ok := phase.does[name]
			if !ok {
				if want = phase.does["*"]; want == "" {
					want = "REFUSED"
				}
			}
			reply := m.apply(Admin, 0, command)[0]
			if reply.Kind == kv.Error {
				if code := kv.ReplyError(reply.Str).Code(); code != want {
					t.Errorf("%s in %q: %s, want %s", name, phase.name, reply, want)
				}
				if !bytes.Equal(stateOf(before), stateOf(m.snapshot(t))) {
					t.Errorf("%s in %q is refused and changes something", name, phase.name)
				}
				continue
			}
			if got := m.Migration(7).Phase; string(got) != want {
				t.Errorf("%s in %q leads to %q, want %q", name, phase.name, got, want)
			}
			// Again, it changes nothing; but thawing has begun another attempt.
			before = m.snapshot(t)
			again := m.apply(Admin, 0, command)[0]
			if again.Kind == kv.Error || !bytes.Equal(stateOf(before), stateOf(m.snapshot(t))) {
				t.Errorf("%s in %q, again: %s", name, phase.name, again)
			}
			// And a replica that restarts from a snapshot goes on alike.
			r := restored(t, m.snapshot(t), m.index)
			if a, b := fmt.Sprint(r.Migration(7)), fmt.Sprint(m.Migration(7)); a != b || r.Serves(moveSlot) != m.Serves(moveSlot) {
				t.Errorf("%s in %q: restored %s, before %s", name, phase.name, a, b)
			}
		}
	}
}

// stateOf is a snapshot's content without its header: the index goes on.
func stateOf(b []byte) []byte {
	var text stateText
	if _, _, err := snapshot.ReadInOrder(bytes.NewReader(b), &text); err != nil {
		panic(err)
	}
	return text.Bytes()
}

type stateText struct{ bytes.Buffer }

func (s *stateText) Begin(_ snapshot.Header, meta []byte) error {
	s.Write(meta)
	return nil
}
func (s *stateText) Slot(slot uint16, deleted uint64) error {
	fmt.Fprintln(s, "slot", slot, deleted)
	return nil
}
func (s *stateText) Key(slot uint16, key, value []byte, expireAt int64, changed uint64) error {
	fmt.Fprintf(s, "%q %q %d %d\n", key, value, expireAt, changed)
	return nil
}
func (s *stateText) Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error {
	fmt.Fprintf(s, "session %q %d %d %q\n", id, seq, active, reply)
	return nil
}
func (s *stateText) Tombstone(slot uint16, key []byte, index, digest uint64) error {
	fmt.Fprintf(s, "gone %q %d %x\n", key, index, digest)
	return nil
}

// Slots are in one migration at a time, and only whole.
func TestSlotsAreInOneMigration(t *testing.T) {
	m := newMachine()
	code := func(command []byte) string {
		r := m.apply(Admin, 0, command)[0]
		if r.Kind != kv.Error {
			return "OK"
		}
		return kv.ReplyError(r.Str).Code()
	}
	other := func(number uint64, from, to uint16) shard.Migration {
		return shard.Migration{Epoch: number, Slots: []shard.Range{{from, to}}, From: 1, To: 2}
	}
	for _, step := range []struct {
		what    string
		command []byte
		want    string
	}{
		{"one", ExportSlots(other(7, 10, 20)), "OK"},
		{"an overlapping one", ExportSlots(other(8, 20, 30)), "REFUSED"},
		{"a part of it", ExportSlots(other(8, 12, 13)), "REFUSED"},
		{"the same number with other slots", ExportSlots(other(7, 10, 21)), "REFUSED"},
		{"one beside it", ExportSlots(other(9, 21, 30)), "OK"},
		{"owning its slots", OwnSlots(3, shard.Range{15, 15}), "REFUSED"},
		{"installing owned slots", InstallSlots(other(10, 100, 110), 1, 1), "REFUSED"},
		{"without a number", ExportSlots(other(0, 100, 110)), "REFUSED"},
		{"freezing another attempt", FreezeSlots(7, 2), "OUTDATED"},
		{"freezing", FreezeSlots(7, 1), "OK"},
		{"thawing", ThawSlots(7, 1, false), "OK"},
		{"freezing the last attempt, late", FreezeSlots(7, 1), "OUTDATED"},
		{"sealing the last attempt, late", SealSlots(7, 1), "OUTDATED"},
	} {
		if got := code(step.command); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	if n := len(m.Migrations()); n != 2 {
		t.Errorf("%d migrations", n)
	}
}

// Chunks count only once, in order, and from the driver that came last.
func TestChunksOfRuns(t *testing.T) {
	m := &machine{FSM: New(Options{Group: 1})}
	chunk := func(value string) []byte {
		var c snapshot.Chunk
		c.Key(moveSlot, []byte("a"), []byte(value), 0)
		return c.Take()
	}
	var foreign snapshot.Chunk
	foreign.Key(moveSlot+1, []byte("a"), nil, 0)
	var elsewhere snapshot.Chunk
	elsewhere.Key(shard.Slot([]byte("b")), []byte("b"), nil, 0)
	for _, step := range []struct {
		what       string
		command    []byte
		code, then string
	}{
		{"before installing", InstallChunk(7, 1, 1, 0, chunk("0")), "REFUSED", ""},
		{"install", InstallSlots(oneSlot, 1, 1), "", ""},
		{"the first", InstallChunk(7, 1, 1, 0, chunk("1")), "", "1"},
		{"the first again", InstallChunk(7, 1, 1, 0, chunk("x")), "", "1"},
		{"one too far", InstallChunk(7, 1, 3, 0, chunk("x")), "OUTDATED", "1"},
		{"the second", InstallChunk(7, 1, 2, 40, chunk("2")), "", "2"},
		{"a damaged one", InstallChunk(7, 1, 3, 0, chunk("x")[:3]), "REFUSED", "2"},
		{"a key in another slot", InstallChunk(7, 1, 3, 0, foreign.Take()), "REFUSED", "2"},
		{"a slot of no migration", InstallChunk(7, 1, 3, 0, elsewhere.Take()), "REFUSED", "2"},
		{"another driver", InstallSlots(oneSlot, 1, 9), "", "2"},
		{"the old driver's", InstallChunk(7, 1, 3, 0, chunk("x")), "OUTDATED", "2"},
		{"the old driver's number 1", InstallChunk(7, 1, 1, 0, chunk("x")), "OUTDATED", "2"},
		{"the new driver's", InstallChunk(7, 9, 1, 0, chunk("3")), "", "3"},
		{"a later attempt", InstallSlots(oneSlot, 2, 9), "", "3"},
		{"the earlier attempt", InstallSlots(oneSlot, 1, 9), "OUTDATED", "3"},
		{"activating the earlier attempt", ActivateSlots(7, 1, 0, m.state.digest(&migration{})), "OUTDATED", "3"},
		{"activating with another digest", ActivateSlots(7, 2, 0, emptyDigest), "MISMATCH", "3"},
		{"wiping", WipeInstalled(7, 9, 2, true), "", ""},
	} {
		r := m.apply(Admin, 0, step.command)[0]
		if code := kv.ReplyError(r.Str).Code(); r.Kind == kv.Error != (step.code != "") || step.code != "" && code != step.code {
			t.Errorf("%s: %s, want %s", step.what, r, step.code)
		}
		if it, _ := m.state.store.Get([]byte("a")); string(it.Value) != step.then {
			t.Errorf("%s: then a is %q, want %q", step.what, it.Value, step.then)
		}
	}
	if st := m.Migration(7); st.Through != 0 || st.Chunk != 2 {
		t.Errorf("after wiping: %+v", st)
	}
}

// A key that the source has seen expire does not come back, whatever the clock of
// the target; versions of the source mean nothing to it.
func TestActivateTakesClockAndVersions(t *testing.T) {
	source, target := newMachine(), &machine{FSM: New(Options{Group: 2})}
	source.do(1000, "SET", "a", "v", "PX", "500")
	version := source.state.store.Version([]byte("a"))
	source.apply(Admin, 1000, moveSteps["export"])
	source.apply(Admin, 1000, moveSteps["freeze"])
	view, ok := source.Export(7)
	if !ok || !view.Frozen {
		t.Fatal("no view")
	}
	target.apply(Admin, 10, moveSteps["install"])
	err := view.Parts(0, func(p migrate.Part) error {
		target.index = 1 // the key gets the index that it has there
		if r := target.apply(Admin, 10, InstallChunk(7, 1, 1, view.Index, p.Bytes))[0]; r.Kind == kv.Error {
			t.Fatal(r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := target.apply(Admin, 10, ActivateSlots(7, 1, 1700, view.Digest))[0]; r.Kind == kv.Error {
		t.Fatal(r)
	}
	if got := target.state.store.Version([]byte("a")); got == version || target.state.store.Version([]byte("{a}none"))>>48 != 7 {
		t.Errorf("version %x in the source, %x in the target", version, got)
	}
	if r := target.do(10, "GET", "a"); r.Kind != kv.Nil {
		t.Errorf("the key that has expired in the source is %s", r)
	}
	if target.Clock() != 1700 {
		t.Errorf("the clock is %d", target.Clock())
	}
}

// Replicas stay equal through all the commands of migrations, in any order.
func TestMovingReplicasAreEqual(t *testing.T) {
	names := []string{}
	for name := range moveSteps {
		names = append(names, name)
	}
	// The order of a map must not decide what rapid draws.
	for i := range names {
		for j := i + 1; j < len(names); j++ {
			if names[j] < names[i] {
				names[i], names[j] = names[j], names[i]
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		leader, follower := newMachine(), newMachine()
		if rapid.Bool().Draw(t, "absent") {
			leader, follower = &machine{FSM: New(Options{Group: 1})}, &machine{FSM: New(Options{Group: 1})}
		}
		clock := int64(1000)
		seq := uint64(0)
		for range rapid.IntRange(1, 40).Draw(t, "entries") {
			clock += rapid.Int64Range(-50, 200).Draw(t, "elapsed")
			kind, command := Commands, drawCommand(t)
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				kind, command = Admin, moveSteps[rapid.SampledFrom(names).Draw(t, "step")]
			case 2:
				command = cmd("FLUSHALL")
			case 3:
				var c snapshot.Chunk
				c.Key(moveSlot, []byte("a"), []byte("v"), clock+rapid.Int64Range(-100, 200).Draw(t, "deadline"))
				c.Session(moveSlot, "client", 3, clock, []byte("+OK\r\n"))
				seq++
				kind, command = Admin, InstallChunk(7, 1, seq, 0, c.Take())
			}
			leader.apply(kind, clock, command)
			follower.apply(kind, clock, command)
			if rapid.IntRange(0, 5).Draw(t, "snapshot") == 0 {
				b := leader.snapshot(t)
				follower = &machine{FSM: New(Options{Group: 1}), index: leader.index}
				if err := follower.Restore(io.NopCloser(bytes.NewReader(b))); err != nil {
					t.Fatal(err)
				}
			}
		}
		if a, b := leader.snapshot(t), follower.snapshot(t); !bytes.Equal(a, b) {
			t.Fatalf("the replicas differ:\n%s\n%s", stateOf(a), stateOf(b))
		}
		if a, b := leader.Memory(), follower.Memory(); a != b {
			t.Fatalf("their memory is %d and %d", a, b)
		}
	})
}

// Whatever bytes come as a chunk, they are installed whole or not at all.
func FuzzInstallChunk(f *testing.F) {
	var c snapshot.Chunk
	c.Key(moveSlot, []byte("a"), []byte("v"), 77)
	c.Tombstone(moveSlot, []byte("{a}1"))
	c.Session(moveSlot, "client", 3, 5, []byte("*1\r\n:4\r\n"))
	f.Add(c.Take())
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &machine{FSM: New(Options{Group: 1})}
		m.apply(Admin, 10, moveSteps["install"])
		before := m.Memory()
		reply := m.apply(Admin, 10, InstallChunk(7, 1, 1, 0, b))[0]
		if reply.Kind == kv.Error && (m.Memory() != before || m.Migration(7).Chunk != 0) {
			t.Fatalf("%s, and yet something was installed", reply)
		}
		r := restored(t, m.snapshot(t), m.index)
		if r.Memory() != m.Memory() || r.state.digest(r.state.moves.find(7)) != m.state.digest(m.state.moves.find(7)) {
			t.Fatal("restored, it is something else")
		}
	})
}
