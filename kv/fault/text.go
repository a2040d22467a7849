package fault

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// String returns the fault's line. Parse reads it back.
func (f Fault) String() string {
	words := append([]string{string(f.Kind)}, f.Nodes...)
	form := formOf(f.Kind)
	if form == nil {
		return string(f.Kind)
	}
	if value := f.valueText(form); value != "" {
		words = append(words, value)
	}
	if f.OneWay {
		words = append(words, "one-way")
	}
	if f.Reset {
		words = append(words, "reset")
	}
	for _, option := range []struct {
		name string
		d    time.Duration
	}{{"every", f.Every}, {"for", f.For}} {
		if option.d > 0 {
			words = append(words, option.name, timeText(option.d))
		}
	}
	if f.Seed != 0 {
		words = append(words, "seed", strconv.FormatUint(f.Seed, 10))
	}
	return strings.Join(words, " ")
}

func (f *Fault) valueText(form *form) string {
	switch form.value {
	case aSpan:
		if f.Jitter > 0 {
			return timeText(f.Time) + "±" + timeText(f.Jitter)
		}
		return timeText(f.Time)
	case aDuration:
		return timeText(f.Time)
	case anOffset:
		if f.Time > 0 {
			return "+" + timeText(f.Time)
		}
		return timeText(f.Time)
	case aRate:
		return sizeText(f.Bytes) + "/s"
	case aSize:
		if f.Bytes > 0 {
			return sizeText(f.Bytes)
		}
	case aPercent:
		return strconv.FormatFloat(f.Chance*100, 'g', 10, 64) + "%"
	case aGroup:
		if f.Group != nil {
			return strconv.FormatUint(uint64(*f.Group), 10)
		}
	case twoSides:
		return strings.Join(f.Sides[0], ",") + " " + strings.Join(f.Sides[1], ",")
	}
	return ""
}

// timeText is Go's text of a duration without the zeroes at its end: 1h, not 1h0m0s.
func timeText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func sizeText(n int64) string {
	for _, s := range sizes[:3] {
		if n%s.factor == 0 && n >= s.factor {
			return fmt.Sprintf("%d%s", n/s.factor, s.suffix)
		}
	}
	return fmt.Sprintf("%db", n)
}
