// Package check puts a running cluster to the proof: clients work on a few keys and
// write down what they see, faults are injected meanwhile and healed, and then the
// history is judged. It needs nothing of the cluster but its ports, so what it finds
// is what any client could have seen.
//
// A run is cut into windows, each with keys of its own. When the last client has
// left a window its keys are read once more, and what was seen of it is judged and
// forgotten; so a run of hours needs the memory of a few windows.
package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"raftkv/kv/history"
)

// Config says what to check and how.
type Config struct {
	Redis    []string // addresses of all nodes
	HTTP     []string // likewise
	Password string

	For     time.Duration // how long clients work and faults come
	Seed    uint64        // decides what clients and faults do, though not how it goes
	Clients int           // how many at the same time
	Keys    int           // sets of keys in a window: few, so that clients meet
	Window  time.Duration // how long keys are used
	Think   time.Duration // how long a client rests between two operations, on average
	// Workloads are what clients do; none: all. Without Followers they read from leaders
	// alone, and followers do not learn at once what is committed.
	Workloads []Workload

	// StopEarly ends the work as soon as something wrong is found.
	StopEarly bool

	Classes []Class // of faults; none: nothing is broken
	Moves   bool    // slots of keys in use move between groups all the time, beside the faults
	Breaker *Breaker
	Gap     time.Duration // between two faults, on average
	// Within is how soon the cluster must serve again when all faults are healed.
	Within time.Duration
	// Patience bounds the judge's search for each set of keys.
	Patience time.Duration

	Out      string         // folder for the history and what is wrong; made if it is missing
	Progress func(Progress) // called about once a second, from one goroutine; may be nil
}

// Progress tells how a run goes on.
type Progress struct {
	Elapsed                  time.Duration
	Known, Unknown, Refused  int64
	Fault                    string // that is active, or empty
	Faults, Windows, Problem int    // injected; judged; of those with something wrong
}

func (c *Config) fill() error {
	setDefault(&c.For, 30*time.Second)
	setDefault(&c.Clients, 10)
	setDefault(&c.Keys, 3)
	setDefault(&c.Window, 10*time.Second)
	setDefault(&c.Gap, 800*time.Millisecond)
	setDefault(&c.Think, 2*time.Millisecond)
	setDefault(&c.Within, 20*time.Second)
	setDefault(&c.Patience, time.Minute)
	if len(c.Workloads) == 0 {
		c.Workloads = Workloads
	}
	switch {
	case len(c.Redis) == 0 || len(c.HTTP) == 0:
		return errors.New("no node to check is named")
	case c.For < 0 || c.Clients < 1 || c.Keys < 1 || c.Window < 0 || c.Think < 0 || c.Gap < 0 || c.Within < 0:
		return errors.New("times must not be negative, and there must be a client and a key")
	case (len(c.Classes) > 0 || c.Moves) && c.Breaker == nil:
		return errors.New("faults and migrations need a breaker")
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// skew is how wrong clocks may be, by the faults that are injected, and a little.
func (c *Config) skew() time.Duration {
	for _, class := range c.Classes {
		if class == Clocks {
			return 2 * clockError
		}
	}
	return 5 * time.Millisecond // of rounding
}

// Run checks a cluster until the time is over or ctx ends, and then judges what there
// is. It fails only if there is nothing to judge: the cluster does not serve at the
// beginning, or the history cannot be written.
func Run(ctx context.Context, config Config) (*Report, error) {
	if err := config.fill(); err != nil {
		return nil, err
	}
	r, err := newRun(config)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.await(ctx, config.Within); err != nil {
		return nil, fmt.Errorf("the cluster does not serve, so there is nothing to check: %w", err)
	}
	r.began = time.Now()
	working, cancel := context.WithTimeout(ctx, config.For)
	defer cancel()
	r.stop = cancel
	r.work(working)
	// From here on the work is finished even after a Ctrl-C: the verdict is what it is for.
	r.finish(context.WithoutCancel(ctx))
	return &r.report, r.report.write(config.Out)
}

// Rejudge judges a history that a run has written.
func Rejudge(ops []history.Operation, patience time.Duration) *Report {
	r := &Report{Checks: newChecks(), Problems: []Problem{}, Faults: []Injected{}}
	setDefault(&patience, time.Minute)
	r.judge(0, ops, patience, "")
	r.conclude()
	for _, name := range []string{Answers, Replicas, Ownership, Serving} {
		r.drop(name) // no history tells
	}
	return r
}
