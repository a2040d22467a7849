package filter

import (
	"slices"
	"strings"
)

// Nearest returns up to three of the known words that look like the given one,
// the nearest first.
func Nearest(word string, known []string) []string {
	type near struct {
		word     string
		distance int
	}
	lower := strings.ToLower(word)
	var found []near
	for _, k := range known {
		d := distance(lower, strings.ToLower(k))
		if strings.HasPrefix(strings.ToLower(k), lower) && len(lower) >= 2 {
			d = min(d, 1)
		}
		if d <= max(1, len(word)/3) {
			found = append(found, near{k, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.distance - b.distance })
	var words []string
	for _, f := range found[:min(3, len(found))] {
		words = append(words, f.word)
	}
	return words
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
