//go:build !linux

package launch

// ScheduleAsBatch does nothing: only Linux schedules in that way.
func ScheduleAsBatch() error { return nil }
