package command

// Match tells whether s matches a Redis glob pattern: *, ?, [abc], [^a-z] and \
// for the next byte literally. It looks at bytes, and runs in time proportional
// to the product of the lengths, whatever the pattern.
func Match(pattern, s []byte) bool {
	// On a mismatch, go back to the last star and let it take one byte more.
	var star, from = -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, i
			p++
			continue
		}
		if p < len(pattern) {
			if next, ok := matchOne(pattern, p, s[i]); ok {
				p = next
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches one element of the pattern at p with c and returns where the
// next element begins.
func matchOne(pattern []byte, p int, c byte) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchClass matches the class whose first byte behind [ is at p. A class that
// is not closed ends with the pattern, as in Redis.
func matchClass(pattern []byte, p int, c byte) (next int, ok bool) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	matched := false
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			matched = matched || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := pattern[p], pattern[p+2]
			if low > high {
				low, high = high, low
			}
			matched = matched || low <= c && c <= high
			p += 2
		default:
			matched = matched || pattern[p] == c
		}
	}
	if p < len(pattern) {
		p++ // the ]
	}
	return p, matched != negated
}
