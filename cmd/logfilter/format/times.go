package format

import (
	"time"
)

// parseTime reads a whole text as a time: RFC 3339 and its relatives, or a number
// of seconds, milliseconds, microseconds or nanoseconds since 1970.
func parseTime(b []byte) (ns int64, ok bool) {
	ns, n, ok := leadingTime(b)
	if ok {
		return ns, n == len(b)
	}
	return epochTime(b)
}

// leadingTime reads a date with a clock at the beginning of b and returns how
// many bytes it took: 2006-01-02T15:04:05.999999999Z, with a space or / as
// separators, a comma before the fraction, and any offset. A time without an
// offset is in the local zone, as package log writes it.
func leadingTime(b []byte) (ns int64, n int, ok bool) {
	// 0123456789012345678
	// 2006-01-02T15:04:05
	if len(b) < 19 || b[4] != '-' && b[4] != '/' || b[7] != b[4] || b[10] != 'T' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, 0, false
	}
	y1, ok1 := twoDigits(b[0:])
	y2, ok2 := twoDigits(b[2:])
	month, ok3 := twoDigits(b[5:])
	day, ok4 := twoDigits(b[8:])
	hour, ok5 := twoDigits(b[11:])
	minute, ok6 := twoDigits(b[14:])
	second, ok7 := twoDigits(b[17:])
	year := y1*100 + y2
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || year < 1678 || year > 2261 ||
		month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, false
	}
	fraction, n := leadingFraction(b, 19)
	clock := int64(hour*3600+minute*60+second)*1e9 + fraction
	offset, width, known := leadingOffset(b[n:])
	if !known {
		at := time.Date(year, time.Month(month), day, hour, minute, second, int(fraction), time.Local)
		return at.UnixNano(), n, true
	}
	return days(year, month, day)*86400e9 + clock - offset, n + width, true
}

// leadingFraction reads .999 or ,999 at b[at:].
func leadingFraction(b []byte, at int) (ns int64, end int) {
	if at+1 >= len(b) || b[at] != '.' && b[at] != ',' || !digit(b[at+1]) {
		return 0, at
	}
	scale := int64(1e9)
	end = at + 1
	for ; end < len(b) && digit(b[end]); end++ {
		if scale > 1 {
			scale /= 10
			ns += int64(b[end]-'0') * scale
		}
	}
	return ns, end
}

// leadingOffset reads Z, +02:00 or +0200.
func leadingOffset(b []byte) (ns int64, n int, ok bool) {
	if len(b) > 0 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, 1, true
	}
	if len(b) < 5 || b[0] != '+' && b[0] != '-' {
		return 0, 0, false
	}
	hours, ok1 := twoDigits(b[1:])
	n = 3
	if b[3] == ':' {
		n = 4
	}
	if len(b) < n+2 {
		return 0, 0, false
	}
	minutes, ok2 := twoDigits(b[n:])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, 0, false
	}
	ns = int64(hours*3600+minutes*60) * 1e9
	if b[0] == '-' {
		ns = -ns
	}
	return ns, n + 2, true
}

// epochTime reads a number since 1970. Its size tells the unit: each is a
// thousand times the one before, and logs are of this age.
func epochTime(b []byte) (ns int64, ok bool) {
	whole, n := int64(0), 0
	for ; n < len(b) && digit(b[n]); n++ {
		if whole > (1<<62)/10 {
			return 0, false
		}
		whole = whole*10 + int64(b[n]-'0')
	}
	if n == 0 {
		return 0, false
	}
	unit := int64(1)
	switch {
	case whole < 1e11:
		unit = 1e9
	case whole < 1e14:
		unit = 1e6
	case whole < 1e17:
		unit = 1e3
	}
	if whole > (1<<63-1)/unit-1 {
		return 0, false
	}
	ns = whole * unit
	if n < len(b) {
		fraction, end := leadingFraction(b, n)
		if end != len(b) {
			return 0, false
		}
		ns += fraction / (1e9 / unit)
	}
	return ns, true
}

// days counts from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms"): package time takes ten times as long.
func days(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	yoe := year - era*400
	doy := (153*(month-3)+2)/5 + day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era)*146097 + int64(doe) - 719468
}

func digit(c byte) bool { return c-'0' <= 9 }

// twoDigits reads two digits of b, which has at least two bytes.
func twoDigits(b []byte) (int, bool) {
	return int(b[0]-'0')*10 + int(b[1]-'0'), digit(b[0]) && digit(b[1])
}
