package main

import (
	"fmt"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
)

// when understands a time of --since or --until: one before the end of the logs,
// after their beginning, a clock, or a date with a clock. following says that
// the logs go on, so that their end is now.
func (s *survey) when(text string, zone *time.Location, following bool) (int64, error) {
	if rest, after := strings.CutPrefix(text, "+"); after {
		if d, err := time.ParseDuration(rest); err == nil {
			if !s.timed {
				return 0, fmt.Errorf("%s counts from the beginning of the logs, which is not known here: give a time, such as 12:01:07", text)
			}
			return s.first + int64(d), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		switch {
		case following:
			return time.Now().UnixNano() - int64(d), nil
		case !s.timed:
			return 0, fmt.Errorf("%s counts from the end of the logs, which is not known here: give a time, such as 12:01:07", text)
		}
		return s.last - int64(d), nil
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if clock, err := time.Parse(layout, text); err == nil {
			return s.onDay(clock, zone), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "2006/01/02 15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time such as 12:01:07.5, 2024-05-06T12:01:07Z, 10s (before the end), +10s (after the beginning)", text)
}

// onDay returns the last time before the end of the logs at which clocks showed
// this; of logs without dates, so long after their beginning.
func (s *survey) onDay(clock time.Time, zone *time.Location) int64 {
	midnight := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	if s.timed && event.Relative(s.last) {
		return int64(clock.Sub(midnight))
	}
	last := time.Now()
	if s.timed {
		last = time.Unix(0, s.last)
	}
	y, m, d := last.In(zone).Date()
	at := time.Date(y, m, d, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), zone)
	if at.After(last) {
		if day := time.Unix(0, s.first).In(zone); s.timed && day.Day() == d {
			return at.UnixNano() // the logs are of one day: it is later than all of them
		}
		at = at.AddDate(0, 0, -1)
	}
	return at.UnixNano()
}
