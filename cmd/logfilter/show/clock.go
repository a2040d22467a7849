package show

import (
	"strconv"
	"time"

	"raftkv/cmd/logfilter/event"
)

// Clock shows times. It remembers the first and the last one it has shown.
type Clock struct {
	Mode     string // one of ClockModes
	Location *time.Location

	first, last int64
	begun       bool

	// day is the beginning of the hour at hand and its text: package time would
	// take longer than all else in a line.
	hour     int64
	hourText []byte
}

// ClockModes are the ways to show a time: the clock; with its date; since the
// first event that is shown; since the one before.
func ClockModes() []string { return []string{"clock", "full", "relative", "delta"} }

// append appends the time of an event in a fixed width.
func (c *Clock) append(b []byte, t int64) []byte {
	if !c.begun {
		c.first, c.last, c.begun = t, t, true
	}
	defer func() { c.last = t }()
	switch {
	case c.Mode == "relative":
		return appendSeconds(b, t-c.first)
	case c.Mode == "delta":
		return appendSeconds(b, t-c.last)
	case event.Relative(t):
		return appendSeconds(b, t)
	case c.Mode == "full":
		return time.Unix(0, t).In(c.Location).AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	}
	const hour = int64(time.Hour)
	if since := t - c.hour; c.hourText == nil || since < 0 || since >= hour/4 {
		c.hour = t - t%(hour/4) // offsets of zones are whole quarters
		c.hourText = time.Unix(0, c.hour).In(c.Location).AppendFormat(c.hourText[:0], "15:")
	}
	at := t - c.hour
	minute := time.Unix(0, c.hour).In(c.Location).Minute()
	b = append(b, c.hourText...)
	b = appendPadded(b, int64(minute)+at/int64(time.Minute), 2)
	b = append(b, ':')
	b = appendPadded(b, at/1e9%60, 2)
	b = append(b, '.')
	return appendPadded(b, at/1e3%1e6, 6)
}

// width is how many characters append takes for an event at t, at the least.
func (c *Clock) width(t int64) int {
	if c.Mode == "full" && !event.Relative(t) {
		return len("2006-01-02T15:04:05.000000Z")
	}
	return len("15:04:05.000000")
}

// appendSeconds appends +12.345678, in the width of a clock.
func appendSeconds(b []byte, ns int64) []byte {
	sign := byte('+')
	if ns < 0 {
		sign, ns = '-', -ns
	}
	var scratch [24]byte
	whole := strconv.AppendInt(scratch[:0], ns/1e9, 10)
	for range len("15:04:05") - 1 - len(whole) {
		b = append(b, ' ')
	}
	b = append(b, sign)
	b = append(b, whole...)
	b = append(b, '.')
	return appendPadded(b, ns/1e3%1e6, 6)
}

// appendPadded appends n with leading zeros.
func appendPadded(b []byte, n int64, width int) []byte {
	at := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := at + width - 1; i >= at && n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}
