package raftlog

// Faults makes the disk fail on purpose. All methods may be called concurrently.
type Faults interface {
	// Before is called before each durable write ("append", "delete" or
	// "stable"). An error stands for one of the write; it may also block, as a
	// disk that hangs.
	Before(operation string) error
	// Free tells how many bytes of disk shall seem to be free; false: the truth.
	Free() (uint64, bool)
	// Torn tells, right before an append, whether the process shall die in it: then
	// that share of the append's bytes gets to the disk, and die is called. It does
	// not return unless it fails.
	Torn() (share float64, die func(), ok bool)
}
