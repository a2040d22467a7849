package check

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv/fault"
)

// The seed decides the schedule, and all lines are faults.
func TestSchedule(t *testing.T) {
	classes, err := ParseClasses([]string{"all", "pause LEADER", "bridge NODE + kill LEADER"})
	if err != nil {
		t.Fatal(err)
	}
	draw := func(seed uint64) (out []planned) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		for range 500 {
			out = append(out, next(rnd, classes, time.Second))
		}
		return out
	}
	a, b := draw(1), draw(1)
	if !reflect.DeepEqual(a, b) {
		t.Error("a seed makes two schedules")
	}
	if reflect.DeepEqual(a, draw(2)) {
		t.Error("two seeds make one schedule")
	}
	kinds := make(map[fault.Kind]bool)
	for _, p := range a {
		if p.move != (len(p.lines) == 0) || p.gap <= 0 || p.gap > 2*time.Second || !p.move && p.last <= 0 {
			t.Fatalf("%+v", p)
		}
		for _, line := range p.lines {
			line = strings.NewReplacer("LEADER", "n1", "NODE", "n2", "OTHERS", "n3").Replace(line)
			f, err := fault.Parse(line)
			if err != nil {
				t.Errorf("%q: %v", line, err)
			}
			kinds[f.Kind] = true
		}
	}
	if len(kinds) < 15 {
		t.Errorf("there are only %d kinds of faults: %v", len(kinds), kinds)
	}
}

func TestParseClasses(t *testing.T) {
	for text, want := range map[string][]Class{
		"kill,pause,kill":              {Kills, Pauses},
		"none":                         nil,
		"slow-fsync LEADER 100ms,kill": {Kills, "slow-fsync LEADER 100ms"},
		"bridge NODE + kill LEADER":    {"bridge NODE + kill LEADER"},
	} {
		if got, err := ParseClasses(strings.Split(text, ",")); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := ParseClasses([]string{"all"}); err != nil || len(got) != len(Classes) {
		t.Errorf("all: %v, %v", got, err)
	}
	if got := WithoutProcesses([]Class{Kills, Disks, Failovers}); !slices.Equal(got, []Class{Disks}) {
		t.Errorf("without processes: %v", got)
	}
	for _, text := range []string{"rain", "", "kill,none", "slow-fsync LEADER soon", "kill LEADER + rain", "kill LEADER +"} {
		if got, err := ParseClasses(strings.Split(text, ",")); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
