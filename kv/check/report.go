package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"raftkv/kv/history"
)

// Names of what is checked, in the order in which they are told.
const (
	Linearizable = "linearizable"        // each key's operations have an order that explains every answer
	ExactlyOnce  = "exactly once"        // no token stands twice or was never appended
	Acknowledged = "acknowledged writes" // all of them are there
	Counters     = "counters"            // between what was acknowledged and what was tried
	Answers      = "answers"             // no command is answered what it cannot be
	Replicas     = "replicas equal"      // replicas of a group at the same index hold the same
	Ownership    = "slots owned once"    // each slot by one group
	Serving      = "serves again"        // soon after all faults are healed
)

// Check is one thing that was checked.
type Check struct {
	Name   string         `json:"name"`
	Result history.Result `json:"result"`
	Detail string         `json:"detail"` // how much was looked at, or what is wrong first
}

// Report is what a run has found.
type Report struct {
	Result  history.Result `json:"result"`
	Seed    uint64         `json:"seed,omitempty"`
	Took    float64        `json:"took_s,omitempty"`
	Checks  []Check        `json:"checks"`
	Windows int            `json:"windows"`

	Operations int64      `json:"operations"` // with known outcome
	Unknown    int64      `json:"unknown"`    // outcome
	Refused    int64      `json:"refused"`    // nothing was done, as the cluster said
	Faults     []Injected `json:"faults"`
	// Silence is the longest time without an answer to anybody.
	Silence float64 `json:"silence_s"`
	// Unavailable is the longest time without an answer to anybody who asked for a set of
	// keys, which is of one group. It ends with the keys' window, and includes how long
	// clients wait for a node that hangs before they ask another.
	Unavailable float64 `json:"unavailable_s"`
	Moves       int64   `json:"moves"`          // of slots that began beside the faults
	Healed      float64 `json:"served_after_s"` // how long it took to serve again after healing

	Problems []Problem `json:"problems"` // what is wrong, one by one
	History  string    `json:"history,omitempty"`

	counts struct{ sets, keys, tokens, counters, kept int }
}

// Injected is a fault that was injected.
type Injected struct {
	Fault string  `json:"fault"`
	At    float64 `json:"at_s"` // since the run began
	For   float64 `json:"for_s"`
	Error string  `json:"error,omitempty"` // why it did not happen
}

// Problem is something that is wrong.
type Problem struct {
	Check  string `json:"check"`
	Text   string `json:"text"`
	Window int    `json:"window,omitempty"`
	// Of a history that cannot be explained: the smallest part of it, and
	// Porcupine's picture of that.
	Part    []history.Operation `json:"part,omitempty"`
	File    string              `json:"file,omitempty"`
	Picture string              `json:"picture,omitempty"`
}

func newChecks() []Check {
	var out []Check
	for _, name := range []string{Linearizable, ExactlyOnce, Acknowledged, Counters, Answers, Replicas, Ownership, Serving} {
		out = append(out, Check{Name: name, Result: history.Correct})
	}
	return out
}

func (r *Report) check(name string) *Check {
	for i := range r.Checks {
		if r.Checks[i].Name == name {
			return &r.Checks[i]
		}
	}
	panic("no check is called " + name)
}

// drop leaves a check away that is not made.
func (r *Report) drop(name string) {
	r.Checks = slices.DeleteFunc(r.Checks, func(c Check) bool { return c.Name == name })
}

// maxProblems bounds what is told one by one: a broken rule breaks a lot.
const maxProblems = 20

// wrong notes a violation.
func (r *Report) wrong(p Problem) {
	c := r.check(p.Check)
	if c.Result != history.Violated {
		c.Result, c.Detail = history.Violated, p.Text
	}
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

// undecided notes that something could not be judged.
func (r *Report) undecided(name, why string) {
	if c := r.check(name); c.Result == history.Correct {
		c.Result, c.Detail = history.Undecided, why
	}
}

// conclude sums up.
func (r *Report) conclude() {
	n := &r.counts
	for name, text := range map[string]string{
		Linearizable: fmt.Sprintf("%d operations on %d sets of keys, %d more with unknown outcome", r.Operations, n.sets, r.Unknown),
		ExactlyOnce:  fmt.Sprintf("%d tokens appended, each at most once", n.tokens),
		Acknowledged: fmt.Sprintf("%d keys of judged windows and all tokens", n.kept),
		Counters:     fmt.Sprintf("%d between acknowledged and attempted", n.counters),
		Answers:      "none was what it cannot be",
	} {
		if c := r.check(name); c.Result == history.Correct {
			c.Detail = text
		}
	}
	r.Result = history.Correct
	for _, c := range r.Checks {
		if c.Result == history.Violated || c.Result == history.Undecided && r.Result == history.Correct {
			r.Result = c.Result
		}
	}
	if r.Result == history.Correct && r.Operations == 0 {
		r.Result = history.Undecided
	}
}

// write leaves the report in the folder of the run.
func (r *Report) write(dir string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "report.json"), append(b, '\n'), 0o644)
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
