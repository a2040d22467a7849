//go:build !linux

package program

import "testing"

// wantBatch has nothing to check: only Linux schedules in that way.
func wantBatch(*testing.T, int) {}
