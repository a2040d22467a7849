package migrate

import (
	"math/rand/v2"
	"time"
)

// Step names what a driver does next. They are failpoints for tests, and words
// for progress.
type Step string

// The steps, in the order of a migration in which nothing fails.
const (
	StepBegin    Step = "begin"
	StepInstall  Step = "install"
	StepCopy     Step = "copy" // of all, or a round of changes
	StepChunk    Step = "chunk"
	StepFreeze   Step = "freeze"
	StepLast     Step = "last" // changes, while the slots are frozen
	StepSeal     Step = "seal"
	StepActivate Step = "activate"
	StepFinish   Step = "finish"
	StepDelete   Step = "delete"
	StepDone     Step = "done"

	// When it fails or is canceled.
	StepFence  Step = "fence"
	StepThaw   Step = "thaw"
	StepWipe   Step = "wipe"
	StepCancel Step = "cancel"
	StepAbort  Step = "abort"
	StepForget Step = "forget" // the record is removed
)

// Steps lists all steps.
var Steps = []Step{StepBegin, StepInstall, StepCopy, StepChunk, StepFreeze, StepLast, StepSeal, StepActivate, StepFinish,
	StepDelete, StepDone, StepFence, StepThaw, StepWipe, StepCancel, StepAbort, StepForget}

// Progress tells how far a migration is.
type Progress struct {
	Step    Step
	Attempt uint64
	Round   int // of copying, from 1
	// Records and Bytes were sent so far by this driver.
	Records int
	Bytes   int64
	// Frozen is how long the slots have been frozen by this driver, or were at last.
	Frozen time.Duration
	// Err is why slots that were frozen are to be served by the source again.
	Err error
}

// Options of Run. The zero value has the defaults.
type Options struct {
	// Progress, if set, is called when a step begins. It must not block.
	Progress func(Progress)
	// Before, if set, is called before each step. Tests crash here.
	Before func(Step)
	// Pace, if set, is called before a part is sent while the slots are served, with the
	// bytes of what was sent since the last call, and with 0 between entries that delete
	// keys. It may sleep to leave room for traffic. It is not called between the last
	// part and the freeze: what clients change meanwhile would lengthen that.
	Pace func(bytes int)
	// FreezeLimit bounds how long the slots are frozen before the driver gives the
	// attempt up: clients wait so long. 500 ms by default.
	FreezeLimit time.Duration
	// SmallBytes or SmallTime make a round of changes so small that the next may be
	// the last. 256 KiB and 20 ms by default. Larger ones lengthen the freeze.
	SmallBytes int64
	SmallTime  time.Duration
	// MaxRounds bounds the rounds of an attempt: if they do not become small, clients write
	// faster than is copied. Then the last must have taken less than
	// FreezeLimit. 30 by default.
	MaxRounds int
	// MaxAttempts bounds how often a driver freezes the slots. 5 by default.
	MaxAttempts int
	// Tries bounds how often a part is sent while the slots are served, and Backoff
	// is the pause between. 10 and 100 ms by default.
	Tries   int
	Backoff time.Duration
	// Run makes the number of this driver's run, which no other driver may have.
	// Random by default.
	Run func() uint64
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Before == nil {
		o.Before = func(Step) {}
	}
	if o.Pace == nil {
		o.Pace = func(int) {}
	}
	if o.Run == nil {
		o.Run = rand.Uint64
	}
	setDefault(&o.FreezeLimit, 500*time.Millisecond)
	setDefault(&o.SmallBytes, 256<<10)
	setDefault(&o.SmallTime, 20*time.Millisecond)
	setDefault(&o.MaxRounds, 30)
	setDefault(&o.MaxAttempts, 5)
	setDefault(&o.Tries, 10)
	setDefault(&o.Backoff, 100*time.Millisecond)
	return o
}

func setDefault[T ~int | ~int64](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}
