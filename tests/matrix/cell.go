package main

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"raftkv/kv/check"
	"raftkv/kv/history"
)

// row is a named choice of what `raftkv check` has: of workloads, or of faults.
type row struct {
	name  string
	words []string
}

// workloads are kept apart by what is judged of them: one order that explains every
// read, nothing lost or added, nothing twice, nothing after its time.
var workloads = []row{
	{"register", []string{"register", "cas", "http", "follower"}},
	{"counter", []string{"counter", "append", "exec"}},
	{"session", []string{"session"}},
	{"expiry", []string{"expiry", "follower"}},
}

// faultRows are the faults, one sort at a time.
var faultRows = []row{
	{"none", []string{"none"}},
	{"kill", []string{"kill LEADER", "kill NODE"}},
	{"kill-all", []string{"kill-all"}},
	{"pause", []string{"pause LEADER", "pause NODE"}},
	{"partition", []string{"isolate LEADER", "isolate LEADER reset", "isolate NODE", "halves", "minority 0", "flapping every 400ms"}},
	{"one-way", []string{"isolate LEADER one-way", "isolate NODE one-way", "cut LEADER NODE one-way", "cut NODE LEADER one-way"}},
	{"links", []string{"delay 30ms±30ms", "drop 3%", "flip 2%", "bandwidth 100kb/s"}},
	{"disk", []string{"slow-fsync LEADER 300ms", "slow-fsync NODE 100ms", "hang-fsync LEADER", "hang-fsync NODE", "full LEADER", "fail-fsync LEADER", "fail-fsync NODE"}},
	{"lost-write", []string{"lost-write LEADER", "lost-write NODE", "torn-write LEADER", "torn-write NODE"}},
	{"clock", []string{"clock"}},
	{"transfer", []string{"transfer-storm every 300ms"}},
	{"snapshot", []string{"snapshot-storm every 200ms + kill LEADER", "snapshot-storm every 200ms + kill-all"}},
	{"election", []string{"election", "failover"}},
}

func names(rows []row) string {
	var out []string
	for _, r := range rows {
		out = append(out, r.name)
	}
	return strings.Join(out, ", ")
}

// find returns the rows that are named; all is a name, too. Another word is a row of
// its own.
func find(rows []row, wanted []string) (out []row) {
	for _, word := range wanted {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == word })
		switch {
		case word == "all":
			out = append(out, rows...)
		case i >= 0:
			out = append(out, rows[i])
		default:
			out = append(out, row{word, []string{word}})
		}
	}
	return out
}

// cell is one workload under one sort of faults.
type cell struct {
	work, fault row
	groups      int
	seed        uint64

	workloads []check.Workload
	classes   []check.Class
}

func newCell(work, fault row, groups int, seed uint64) (cell, error) {
	c := cell{work: work, fault: fault, groups: groups}
	// A cell has the seed that it would have if it were run alone.
	h := fnv.New64a()
	fmt.Fprint(h, seed, work.name, fault.name, groups)
	c.seed = 1 + h.Sum64()%1_000_000
	var err error
	if c.workloads, err = check.ParseWorkloads(work.words); err != nil {
		return c, err
	}
	c.classes, err = check.ParseClasses(fault.words)
	return c, err
}

func (c *cell) String() string {
	groups := "1 group"
	if c.groups > 1 {
		groups = fmt.Sprintf("%d groups, slots move", c.groups)
	}
	return fmt.Sprintf("%s under %s, %s", c.work.name, c.fault.name, groups)
}

// result is what came of a cell.
type result struct {
	Workload string         `json:"workload"`
	Fault    string         `json:"fault"`
	Groups   int            `json:"groups"`
	Seed     uint64         `json:"seed"`
	Took     float64        `json:"took_s"`
	Verdict  history.Result `json:"verdict"`
	Why      string         `json:"why,omitempty"` // if the verdict is another than correct

	Operations  int64   `json:"operations"` // whose outcome is known
	Unknown     int64   `json:"unknown"`
	Faults      int     `json:"faults"`
	Failed      int     `json:"failed_faults"` // that could not be injected
	Moves       int64   `json:"moves"`
	Unavailable float64 `json:"unavailable_s"`
	Healed      float64 `json:"served_after_s"`
	Kept        string  `json:"kept,omitempty"`    // folder of the history
	Data        string  `json:"data,omitempty"`    // and of the cluster
	Command     string  `json:"command,omitempty"` // that tries it again
}

// conclude takes over what a check has found. What did not happen proves nothing, and
// that a cluster did not serve in time, or not so long as to be judged, proves nothing
// while the machine was busy, which is how long it has kept processes from running.
func (r *result) conclude(c *cell, report *check.Report, busy time.Duration) {
	r.Verdict, r.Operations, r.Unknown = report.Result, report.Operations, report.Unknown
	r.Moves, r.Unavailable, r.Healed = report.Moves, report.Unavailable, report.Healed
	failure := ""
	for _, f := range report.Faults {
		if f.Error == "" {
			r.Faults++
		} else {
			r.Failed++
			failure = f.Fault + ": " + f.Error
		}
	}
	for _, ch := range report.Checks {
		if ch.Result == report.Result && ch.Result != history.Correct && r.Why == "" {
			r.Why = ch.Name + ": " + ch.Detail
		}
	}
	late := !slices.ContainsFunc(report.Checks, func(ch check.Check) bool { return ch.Result == history.Violated && ch.Name != check.Serving })
	switch {
	case r.Verdict != history.Correct && late && busy >= tooBusy:
		r.Verdict, r.Why = history.Undecided, fmt.Sprintf("%s, and has let a process wait for %v: %s", busyText, busy.Round(time.Millisecond), r.Why)
	case r.Verdict != history.Correct:
	case len(c.classes) > 0 && r.Faults == 0:
		r.Verdict, r.Why = history.Undecided, strings.TrimSpace("no fault was injected "+failure)
	case c.groups > 1 && r.Moves == 0:
		r.Verdict, r.Why = history.Undecided, "no slot was moved"
	}
}

// choose makes the cells, those with as many groups one after the other.
func (m *matrix) choose(works, faults, groups []string) error {
	m.works, m.faults = find(workloads, works), find(faultRows, faults)
	for _, word := range groups {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of groups", word)
		}
		for _, fault := range m.faults {
			for _, work := range m.works {
				c, err := newCell(work, fault, n, m.seed)
				if err != nil {
					return err
				}
				m.cells = append(m.cells, c)
			}
		}
	}
	if len(m.cells) == 0 {
		return fmt.Errorf("no cell is chosen: there are workloads %s, and faults %s", names(workloads), names(faultRows))
	}
	return nil
}

// again is the command that tries a cell again, for longer: chance decides where a
// fault hits.
func (c *cell) again(seed uint64, unsafe string) string {
	command := fmt.Sprintf("make faults WORKLOADS='%s' FAULTS='%s' GROUPS=%d SEED=%d DURATION=%v", c.work.name, c.fault.name, c.groups, seed, 10*time.Minute)
	if unsafe != "" {
		command += " UNSAFE=" + unsafe
	}
	return command
}
