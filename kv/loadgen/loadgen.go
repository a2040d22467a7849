// Package loadgen drives a store with load and measures it honestly.
//
// In a closed loop every client sends its next batch when the last one is
// answered. With a rate the loop is open: operations are due at fixed times, and
// one that was due while its connection still waited for an answer counts from
// when it was due, not from when it could be sent at last. So a stall of a
// second shows in all operations that it delayed, not in one (Gil Tene calls the
// mistake coordinated omission).
//
// The generator often shares its few cores with the servers it measures: a
// client is one goroutine with one connection and reuses its memory.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Read Kind = iota
	Write
	kinds
)

// Op is one operation of a batch. The generator fills in what to do, the
// connection what came of it. Both reuse its memory.
type Op struct {
	Kind  Kind
	Key   []byte
	Value []byte // of a Write; must not be changed

	// Failure is the code of the error, such as CLUSTERDOWN; empty: it succeeded.
	Failure string
	// Missed says that a Read found no value.
	Missed bool
}

// Target is what the load goes to.
type Target interface {
	// Dial opens the connection of one client. It may be called concurrently,
	// and again for the same client after its connection broke.
	Dial(ctx context.Context, client int) (Conn, error)
}

// Conn is one client's connection. One goroutine at a time uses it.
type Conn interface {
	// Do executes the batch, pipelined if the target can, and sets Failure and
	// Missed of every operation. An error means that the connection is of no
	// more use; operations whose Failure is not set by then have failed.
	// It returns soon after ctx ends, and within Timeout if nothing answers.
	Do(ctx context.Context, batch []Op) error
	Close() error
}

// Timeout is how long an operation may take before it counts as failed.
const Timeout = 30 * time.Second

// Config says what load to make.
type Config struct {
	Target Target
	// Clients is the number of connections, Pipeline that of operations which
	// one sends at once.
	Clients, Pipeline int
	// The run ends after Duration or after Requests operations, whatever comes
	// first; 0 is no limit, and one of them must be given. Operations during
	// Warmup are done before and not counted.
	Duration time.Duration
	Requests int64
	Warmup   time.Duration
	// Rate is the number of operations a second of all clients together; 0 is a
	// closed loop: as fast as it goes.
	Rate float64
	// Reads is the share of reads, 0 to 1.
	Reads float64
	// Keys is how many there are, named Prefix and 12 digits.
	Keys   int64
	Prefix string
	// Zipf skews which keys are used: rank k has a share of 1/k^Zipf. 0 is
	// uniform; YCSB uses 0.99.
	Zipf float64
	// Shift moves the skew to other keys: of two runs with the same keys and
	// different shifts, each has other hot keys.
	Shift     int64
	ValueSize int
	// Fill writes every key once before the run (and the warm-up).
	Fill bool
	// Seed makes runs choose the same keys; 0: another one each time.
	Seed uint64
	// Begin, if set, is called when the part of the run that counts begins.
	Begin func()
	// Progress, if set, is called about every second while the load runs.
	Progress func(Progress)
	// Observe, if set, is called for every operation that was answered, with when it
	// began to count, by several goroutines at a time but by one for each client. It
	// must not keep op.
	Observe func(client int, op *Op, start, end time.Time)
}

// Progress is what happened in the last interval.
type Progress struct {
	Phase   string        // "fill", "warmup" or "run"
	Elapsed time.Duration // of the phase
	Ops     int64         // in the interval
	Rate    float64       // operations a second in the interval
	P50     time.Duration // of the interval
	P99     time.Duration
	Max     time.Duration
	Errors  int64 // in the phase
}

// fill sets defaults and checks what was given.
func (c *Config) fill() error {
	switch {
	case c.Target == nil:
		return errors.New("load: a target is needed")
	case c.Duration <= 0 && c.Requests <= 0:
		return errors.New("load: a duration or a number of requests is needed")
	case c.Reads < 0 || c.Reads > 1:
		return fmt.Errorf("load: the share of reads is %g, want 0 to 1", c.Reads)
	case c.Rate < 0:
		return fmt.Errorf("load: the rate is %g", c.Rate)
	case c.Zipf < 0:
		return fmt.Errorf("load: the exponent of the zipf distribution is %g", c.Zipf)
	case c.Clients < 0 || c.Pipeline < 0 || c.Keys < 0 || c.ValueSize < 0 || c.Shift < 0 || c.Keys > maxKeys:
		return errors.New("load: clients, pipeline, keys, shift and value size must be positive, and keys have 12 digits")
	}
	setDefault(&c.Clients, 50)
	setDefault(&c.Pipeline, 1)
	setDefault(&c.Keys, 100_000)
	setDefault(&c.Prefix, "key:")
	setDefault(&c.Seed, uint64(time.Now().UnixNano()))
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
