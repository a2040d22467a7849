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
	for _, x := range []struct {
		lists []string
		want  []Class
	}{
		{[]string{"kill,pause,kill"}, []Class{Kills, Pauses}},
		{[]string{"kill", "pause, disk"}, []Class{Disks, Kills, Pauses}},
		{[]string{"none"}, nil},
		{[]string{"slow-fsync LEADER 100ms,kill"}, []Class{Kills, "slow-fsync LEADER 100ms"}},
		{[]string{"split n1,n2 n3"}, []Class{"split n1,n2 n3"}},
		{[]string{"split LEADER,n4 NODE ; kill,pause;pause LEADER"}, []Class{Kills, Pauses, "pause LEADER", "split LEADER,n4 NODE"}},
		{[]string{"split n1,n2 n3", "split n1 n2,n3"}, []Class{"split n1 n2,n3", "split n1,n2 n3"}},
		{[]string{"bridge NODE + kill LEADER"}, []Class{"bridge NODE + kill LEADER"}},
		{[]string{"all"}, slices.Sorted(slices.Values(Classes))},
	} {
		if got, err := ParseClasses(x.lists); err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%q: %v, %v", x.lists, got, err)
		}
	}
	if got := WithoutProcesses([]Class{Kills, Disks, Failovers}); !slices.Equal(got, []Class{Disks}) {
		t.Errorf("without processes: %v", got)
	}
	for _, lists := range [][]string{{"rain"}, {""}, {"kill;"}, {"kill,none"}, {"kill", "none"}, {"slow-fsync LEADER soon"}, {"kill LEADER + rain"}, {"kill LEADER +"}, {"kill,split n1,n2 n3"}} {
		if got, err := ParseClasses(lists); err == nil {
			t.Errorf("%q: %v", lists, got)
		}
	}
	if _, err := ParseClasses([]string{"kill,split n1,n2 n3"}); err == nil || !strings.Contains(err.Error(), "semicolons") {
		t.Errorf("what to do instead is not said: %v", err)
	}
}
