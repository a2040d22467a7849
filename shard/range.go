package shard

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Range is an inclusive range of slots. In JSON it is the pair [from, to].
type Range [2]uint16

// From returns the first slot of the range.
func (r Range) From() uint16 { return r[0] }

// To returns the last slot of the range, which belongs to it.
func (r Range) To() uint16 { return r[1] }

// Len returns the number of slots in the range.
func (r Range) Len() int { return int(r[1]) - int(r[0]) + 1 }

// Contains tells whether slot lies in the range.
func (r Range) Contains(slot uint16) bool { return r[0] <= slot && slot <= r[1] }

// Each yields the slots of ranges, one after the other.
func Each(ranges []Range) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for _, r := range ranges {
			for slot := int(r.From()); slot <= int(r.To()); slot++ {
				if !yield(uint16(slot)) {
					return
				}
			}
		}
	}
}

func (r Range) String() string {
	if r[0] == r[1] {
		return strconv.Itoa(int(r[0]))
	}
	return fmt.Sprintf("%d-%d", r[0], r[1])
}

// All is the range of all slots.
var All = Range{0, Slots - 1}

// ParseRanges reads what a person types, such as "0-99,512". The result is
// sorted, and ranges that touch or overlap are merged.
func ParseRanges(s string) ([]Range, error) {
	var out []Range
	for part := range strings.SplitSeq(s, ",") {
		from, to, found := strings.Cut(strings.TrimSpace(part), "-")
		if !found {
			to = from
		}
		a, errA := parseSlot(from)
		b, errB := parseSlot(to)
		if errA != nil || errB != nil || a > b {
			return nil, fmt.Errorf("slots %q: want numbers and ranges below %d, such as 0-99,512", part, Slots)
		}
		out = append(out, Range{a, b})
	}
	return Normalize(out), nil
}

func parseSlot(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err == nil && n >= Slots {
		err = strconv.ErrRange
	}
	return uint16(n), err
}

// FormatRanges writes what ParseRanges reads.
func FormatRanges(ranges []Range) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = r.String()
	}
	return strings.Join(parts, ",")
}

// Noun is the word that stands before the numbers of slots.
func Noun(ranges []Range) string {
	if len(ranges) == 1 && ranges[0].Len() == 1 {
		return "slot"
	}
	return "slots"
}

// BriefRanges names up to three ranges and counts the rest.
func BriefRanges(ranges []Range) string {
	var parts []string
	for i, r := range ranges {
		if i == 3 && len(ranges) > 4 {
			rest := 0
			for _, r := range ranges[i:] {
				rest += r.Len()
			}
			return fmt.Sprintf("%s and %d more", strings.Join(parts, ","), rest)
		}
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ",")
}

// Normalize sorts ranges and merges those that touch or overlap, in place.
func Normalize(in []Range) []Range {
	slices.SortFunc(in, func(a, b Range) int { return int(a[0]) - int(b[0]) })
	out := in[:0]
	for _, r := range in {
		if n := len(out); n > 0 && int(r[0]) <= int(out[n-1][1])+1 {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}
