package fsm

import (
	"bytes"
	"strconv"
	"testing"

	"raftkv/shard/migrate"
)

// Sessions of migrating slots do not end, so that two clocks cannot disagree.
func TestSessionsOfMigratingSlotsStay(t *testing.T) {
	m := newMachine()
	hour := SessionIdle.Milliseconds()
	m.do(0, "RAFTKV.ONCE", "a", "stays", "1", "INCR", "a")
	m.do(0, "RAFTKV.ONCE", "b", "ends", "1", "INCR", "b")
	m.apply(Admin, 0, moveSteps["export"])
	view, _ := m.Export(7)
	m.apply(Tick, 2*hour)
	later, _ := m.Export(7)
	if n := m.Sessions(); n != 1 || later.Digest != view.Digest {
		t.Fatalf("%d sessions, digest %v, before %v", n, later.Digest, view.Digest)
	}
	records := 0
	later.Parts(view.Index, func(p migrate.Part) error {
		records += p.Records
		return nil
	})
	if records != 1 {
		t.Errorf("%d records changed, want the session", records)
	}
	if r := m.do(2*hour, "RAFTKV.ONCE", "a", "stays", "1", "INCR", "a"); text(r) != ":1\r\n" {
		t.Errorf("a repeat is answered %s", r)
	}
	m.apply(Admin, 2*hour, moveSteps["cancel"])
	m.apply(Tick, 4*hour)
	if n := m.Sessions(); n != 0 {
		t.Errorf("%d sessions stay for good", n)
	}
}

// No entry removes many keys, however many there are, and every replica removes
// the same ones, restored in between or not.
func TestLargeSlotsGoInManyEntries(t *testing.T) {
	const keys = 200_000
	m := newMachine()
	var entry [][]byte
	for i := range keys {
		entry = append(entry, cmd("SET", "{a}"+strconv.Itoa(i), "v", "PX", "1000000"))
		if len(entry) == 1000 {
			m.apply(Commands, 1, entry...)
			entry = entry[:0]
		}
	}
	m.do(1, "RAFTKV.ONCE", "a", "client", "1", "SET", "a", "v")
	for _, step := range []string{"export", "freeze", "seal"} {
		m.apply(Admin, 1, moveSteps[step])
	}
	entries := 0
	for left := keys + 1; ; entries++ {
		m.apply(Admin, 1, moveSteps["delete"])
		if m.Serves(moveSlot) || m.Keys() != 0 {
			t.Fatal("the slot is to be seen while it goes")
		}
		st := m.Migration(7)
		if st.Phase == migrate.Deleted {
			break
		}
		if left-st.Keys > 1000 {
			t.Fatalf("an entry removes %d keys", left-st.Keys)
		}
		left = st.Keys
		if entries == 100 {
			r := restored(t, m.snapshot(t), m.index)
			m.apply(Admin, 1, moveSteps["delete"])
			r.apply(Admin, 1, moveSteps["delete"])
			if a, b := m.snapshot(t), r.snapshot(t); !bytes.Equal(a, b) {
				t.Fatal("a restored replica removes other keys")
			}
			left = m.Migration(7).Keys
		}
	}
	if entries < keys/1000-2 || m.Sessions() != 0 || m.Memory() != 0 {
		t.Errorf("%d entries; %d sessions and %d bytes are left", entries, m.Sessions(), m.Memory())
	}
}
