package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"raftkv/shard"
)

// balance moves single slots to and fro, as a planner does, until the state has
// made that many epochs more. Each map is given to see.
func balance(t testing.TB, s *State, epochs int, see func(*shard.Map)) {
	t.Helper()
	for until := s.Map().Epoch + uint64(epochs); s.Map().Epoch < until; {
		slot := uint16(s.Map().Epoch * 7 % 200)
		from := s.Map().Owner[slot]
		apply(t, s, StartMigration([]shard.Range{{slot, slot}}, from, 3-from, fmt.Sprintf("slot %d: 3%% of n2's load", slot)))
		see(s.Map())
		apply(t, s, FinishMigration(s.Map().Epoch))
		see(s.Map())
	}
}

func apply(t testing.TB, s *State, cmd []byte) {
	t.Helper()
	if _, err := s.Apply(cmd, 0); err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
}

func TestThousandsOfChangesStaySmallAndAnswer(t *testing.T) {
	s := cluster(t)
	var maps []string
	first := s.Map().Epoch + 1
	balance(t, s, 3000, func(m *shard.Map) { maps = append(maps, text(t, m)) })
	b := text(t, s)
	if perEpoch := len(b) / len(maps); perEpoch > 300 {
		t.Errorf("%d bytes an epoch, want 300 at most", perEpoch)
	}
	if len(s.history.segments) < 10 {
		t.Errorf("%d segments for %d bytes: a query replays too much", len(s.history.segments), len(b))
	}
	if s.history.size > len(b) || s.history.size < len(b)*9/10 {
		t.Errorf("the history says that it has %d bytes, of %d in the snapshot", s.history.size, len(b))
	}
	restored := New()
	if err := json.Unmarshal([]byte(b), restored); err != nil {
		t.Fatal(err)
	}
	for i, want := range maps {
		if i%37 != 0 && i < len(maps)-3 {
			continue
		}
		m, err := restored.MapAt(first + uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, m); got != want {
			t.Fatalf("MapAt(%d) = %s, want %s", first+uint64(i), got, want)
		}
	}
	t.Logf("%d epochs: %d bytes, %d segments", s.Map().Epoch, len(b), len(s.history.segments))
}

func TestHistoryForgetsTheOldestBeyondItsLimit(t *testing.T) {
	s := cluster(t)
	s.history.limit = 100 << 10
	balance(t, s, 2000, func(*shard.Map) {
		if s.history.size > s.history.limit {
			t.Fatalf("epoch %d: %d bytes of history", s.Map().Epoch, s.history.size)
		}
	})
	oldest := s.history.segments[0].epoch
	if kept := s.Map().Epoch - oldest; kept < 200 {
		t.Errorf("only %d epochs are kept", kept)
	}
	restored := New()
	if err := json.Unmarshal([]byte(text(t, s)), restored); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*State{s, restored} {
		if _, err := s.MapAt(oldest - 1); !errors.Is(err, ErrNoMap) || !strings.Contains(err.Error(), fmt.Sprintf("the oldest is %d", oldest)) {
			t.Errorf("MapAt of a forgotten epoch: %v", err)
		}
		if m, err := s.MapAt(oldest); err != nil || m.Epoch != oldest {
			t.Errorf("MapAt of the oldest epoch: %v, %v", m, err)
		}
	}
}

func TestCloneGoesItsOwnWay(t *testing.T) {
	s := cluster(t)
	balance(t, s, 200, func(*shard.Map) {})
	before := text(t, s)
	c := s.Clone()
	done := make(chan string)
	go func() { done <- text(t, c) }() // the race detector looks on
	balance(t, s, 400, func(*shard.Map) {})
	if got := <-done; got != before {
		t.Error("a clone changes with its original")
	}
	// Both go on from the same place, wherever in its segment that is.
	for range 20 {
		c := s.Clone()
		apply(t, s, SetBalance(!s.Map().Balance))
		after := text(t, s)
		apply(t, c, Drain("n1"))
		if text(t, s) != after {
			t.Fatal("a state changes with its clone")
		}
		if m, err := c.MapAt(c.Map().Epoch - 1); err != nil || m.Node("n1").State != shard.Active {
			t.Fatalf("the clone's history is another's: %v", err)
		}
	}
}

// A field that diff or patch forgets is lost in history, silently.
func TestDeltaSeesEveryField(t *testing.T) {
	s := cluster(t)
	apply(t, s, StartMigration(slots(t, "10-19"), 1, 2, "heat"))
	old := s.Map()
	var spoil func(name string, v reflect.Value, m *shard.Map)
	spoil = func(name string, v reflect.Value, m *shard.Map) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				spoil(name+"."+v.Type().Field(i).Name, v.Field(i), m)
			}
			return
		case reflect.Slice, reflect.Array:
			spoil(name+"[]", v.Index(0), m)
			return
		case reflect.String:
			v.SetString(was.String() + "0")
		case reflect.Bool:
			v.SetBool(!was.Bool())
		default:
			v.SetUint(was.Uint() + 1)
		}
		d := diff(old, m)
		b := text(t, d)
		var read delta
		if err := json.Unmarshal([]byte(b), &read); err != nil {
			t.Fatal(err)
		}
		got := old.Clone()
		if err := read.patch(got); err != nil {
			t.Fatal(err)
		}
		got.Epoch--
		if name != "Map.Epoch" && (plain(t, got) != plain(t, m) || got.Owner != m.Owner) {
			t.Errorf("%s: delta %s does not carry its change", name, b)
		}
		v.Set(was)
	}
	m := old.Clone()
	// The last of a list and not the first, so that a spoiled key stays in order.
	m.Nodes, m.Groups = m.Nodes[5:], m.Groups[3:]
	old = m.Clone()
	spoil("Map", reflect.ValueOf(m).Elem(), m)
}

func TestUnmarshalRefusesDamage(t *testing.T) {
	s := cluster(t)
	balance(t, s, 200, func(*shard.Map) {})
	good := text(t, s)
	n := strings.Count(good, `"map":`)
	if n < 2 {
		t.Fatalf("%d segments; the test wants two", n)
	}
	last := strings.LastIndex(good, `{"epoch":`) // of the last segment's map
	for name, bad := range map[string]string{
		"nothing":              `null`,
		"no history":           `{"last_group":3}`,
		"cut off":              good[:len(good)-1],
		"a gap":                strings.Replace(good, `{"epoch":0,`, `{"epoch":1,`, 1),
		"not the map it names": good[:last] + strings.Replace(good[last:], `"epoch":`, `"epoch":1`, 1),
		"a group too many":     strings.Replace(good, `"last_group":3`, `"last_group":2`, 1),
		"no room for epochs":   `{"history":[{"epoch":18446744073709551615,"map":{"epoch":18446744073709551615}}]}`,
		"no map":               `{"history":[{"epoch":0}]}`,
		"a broken map":         `{"history":[{"epoch":0,"map":{"groups":[{"id":1,"slots":[[5,1]]}]}}]}`,
		"a broken change":      `{"history":[{"epoch":0,"map":{},"deltas":[{"owners":[{"group":1,"slots":[[0,16384]]}]}]}]}`,
		"a change to nonsense": `{"history":[{"epoch":0,"map":{},"deltas":[{"owners":[{"group":1,"slots":[[0,1]]}]}]}]}`,
		"a change of no type":  `{"history":[{"epoch":0,"map":{},"deltas":[7]}]}`,
	} {
		got := cluster(t)
		before := text(t, got)
		if err := got.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if text(t, got) != before {
			t.Errorf("%s: refused, but the state changed", name)
		}
	}
	// White space is no damage, and makes no difference.
	var spaced strings.Builder
	e := json.NewEncoder(&spaced)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	got := New()
	if err := got.UnmarshalJSON([]byte(spaced.String())); err != nil || text(t, got) != good || got.history.size != s.history.size {
		t.Errorf("an indented state: %v, %d bytes instead of %d", err, got.history.size, s.history.size)
	}
	// Damage in the older history is found when it is asked for.
	damaged := New()
	if err := damaged.UnmarshalJSON([]byte(strings.Replace(good, `"groups":[{"id":1,`, `"groups":[{"id":"1",`, 1))); err != nil {
		t.Fatal(err)
	}
	if _, err := damaged.MapAt(7); err == nil || !strings.Contains(err.Error(), "change after epoch 6") {
		t.Errorf("MapAt of a damaged epoch: %v", err)
	}
	if _, err := damaged.MapAt(6); err != nil {
		t.Errorf("MapAt before the damage: %v", err)
	}
}
