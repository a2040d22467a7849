//go:build !linux

package snapshot

import "os"

// writeBack leaves it to the fsync at the end: only Linux can be told to begin earlier.
func writeBack(*os.File, int64, int64, int64) error { return nil }
