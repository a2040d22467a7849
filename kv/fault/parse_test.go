package fault

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func group(n uint32) *uint32 { return &n }

func TestParse(t *testing.T) {
	for line, want := range map[string]Fault{
		"cut n1 n2":                       {Kind: Cut, Nodes: []string{"n1", "n2"}},
		"CUT n1 n2 ONE-WAY reset for 10s": {Kind: Cut, Nodes: []string{"n1", "n2"}, OneWay: true, Reset: true, For: 10 * time.Second},
		"isolate n1":                      {Kind: Isolate, Nodes: []string{"n1"}},
		"isolate-leader":                  {Kind: IsolateLeader, Nodes: []string{}},
		"isolate-leader 3":                {Kind: IsolateLeader, Nodes: []string{}, Group: group(3)},
		"split n1,n2 n3":                  {Kind: Split, Sides: [2][]string{{"n1", "n2"}, {"n3"}}},
		"delay 20ms":                      {Kind: Delay, Nodes: []string{}, Time: 20 * time.Millisecond},
		"delay n1 20ms±5ms":               {Kind: Delay, Nodes: []string{"n1"}, Time: 20 * time.Millisecond, Jitter: 5 * time.Millisecond},
		"delay n1 n2 1s+-1s":              {Kind: Delay, Nodes: []string{"n1", "n2"}, Time: time.Second, Jitter: time.Second},
		"bandwidth n1 n2 100kb/s":         {Kind: Bandwidth, Nodes: []string{"n1", "n2"}, Bytes: 100 << 10},
		"drop 1% seed 7":                  {Kind: Drop, Nodes: []string{}, Chance: 0.01, Seed: 7},
		"flip 0.1%":                       {Kind: Flip, Nodes: []string{}, Chance: 0.001},
		"slow-fsync n2 200ms":             {Kind: SlowFsync, Nodes: []string{"n2"}, Time: 200 * time.Millisecond},
		"full n2":                         {Kind: Full, Nodes: []string{"n2"}},
		"full n2 10mb":                    {Kind: Full, Nodes: []string{"n2"}, Bytes: 10 << 20},
		"flip-log n2 1":                   {Kind: FlipLog, Nodes: []string{"n2"}, Group: group(1)},
		"clock n3 -1h":                    {Kind: Clock, Nodes: []string{"n3"}, Time: -time.Hour},
		"clock-jumps n3 10s every 1s":     {Kind: ClockJumps, Nodes: []string{"n3"}, Time: 10 * time.Second, Every: time.Second},
		"transfer-storm 1 every 200ms":    {Kind: TransferStorm, Nodes: []string{}, Group: group(1), Every: 200 * time.Millisecond},
		"kill n1 n2":                      {Kind: Kill, Nodes: []string{"n1", "n2"}},
		"kill-all":                        {Kind: KillAll, Nodes: []string{}},
	} {
		got, err := Parse(line)
		if got.Nodes == nil {
			got.Nodes = []string{}
		}
		if want.Nodes == nil {
			want.Nodes = []string{}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", line, got, err, want)
		}
	}
}

// What is wrong about a line, the error says.
func TestParseRefuses(t *testing.T) {
	for line, says := range map[string]string{
		"":                        "cut n1 n2",
		"explode n1":              "there is no fault",
		"cut":                     "1 to 2 nodes",
		"cut n1 n2 n3":            "1 to 2 nodes",
		"cut n1 n1":               "named twice",
		"cut n1 n/2":              "no name of a node",
		"isolate-leader x":        "no number of a group",
		"halves n1":               "no node",
		"delay n1 n2":             "no time",
		"delay":                   "value is missing",
		"delay 10ms±20ms":         "more than itself",
		"delay -1s":               "no time",
		"drop 0%":                 "no share",
		"drop 101%":               "no share",
		"drop 5":                  "no share",
		"bandwidth 0kb/s":         "no size",
		"clock n1 0s":             "other than 0",
		"cut n1 n2 every 1s":      "1 to 2 nodes",
		"cut n1 n2 for":           "needs a value",
		"cut n1 n2 for ever":      "no time",
		"drop 1% seed x":          "seed x",
		"split n1,n2":             "two lists",
		"split n1,n2 n2":          "named twice",
		"slow-fsync n1 n2 200ms":  "one node",
		"slow-fsync n1 99999999h": "no time",
	} {
		if f, err := Parse(line); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v, want %q", line, f, err, says)
		}
	}
}

// Every example is a line, of its own kind, and reads as it was written.
func TestExamples(t *testing.T) {
	for _, k := range Kinds() {
		f, err := Parse(k.Example)
		if err != nil || f.Kind != k.Kind || f.String() != k.Example {
			t.Errorf("%s: %q, %v", k.Example, f, err)
		}
		if k.Meaning == "" || len(f.Nodes) > 0 && !f.Concerns(f.Nodes[0]) {
			t.Errorf("%s: its meaning is %q", k.Kind, k.Meaning)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range Kinds() {
		f.Add(k.Example + " for 10s seed 7")
	}
	f.Fuzz(func(t *testing.T, line string) {
		fault, err := Parse(line)
		if err != nil {
			return
		}
		// What nodes tell each other is what was ordered.
		text := fault.String()
		again, err := Parse(text)
		if err != nil || again.String() != text {
			t.Fatalf("%q is %q, and that is %q, %v", line, text, again, err)
		}
	})
}
