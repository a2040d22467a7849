package raftlog

// Faults lets tests make the disk fail. All methods may be called concurrently.
type Faults interface {
	// Before is called before each durable write ("append", "delete" or
	// "stable"). An error stands for one of the write; it may also block, as a
	// disk that hangs.
	Before(operation string) error
	// Free tells how many bytes of disk shall seem to be free; false: the truth.
	Free() (uint64, bool)
}
