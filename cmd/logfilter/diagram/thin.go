package diagram

// thinned keeps an even part of what there is, at most so many. Which part depends
// on numbers that the things have themselves, so that of a message all lines are
// kept or none.
type thinned[K comparable, V any] struct {
	most    int
	kept    map[K]V
	numbers map[K]uint64
	shift   uint // one in 2^shift is kept
	seen    int
}

// of returns the part of a kind.
func of[K comparable, V any](all map[string]*thinned[K, V], kind string, most int) *thinned[K, V] {
	t := all[kind]
	if t == nil {
		t = &thinned[K, V]{most: most, kept: make(map[K]V), numbers: make(map[K]uint64)}
		all[kind] = t
	}
	return t
}

// keeps tells whether a number belongs to the part that is kept.
func (t *thinned[K, V]) keeps(number uint64) bool {
	return number*0x9e3779b97f4a7c15>>(64-t.shift) == 0 || t.shift == 0
}

func (t *thinned[K, V]) put(key K, number uint64, v V) {
	if _, again := t.kept[key]; !again {
		t.seen++
	}
	if !t.keeps(number) {
		return
	}
	t.kept[key], t.numbers[key] = v, number
	for len(t.kept) > t.most {
		t.shift++
		for k, n := range t.numbers {
			if !t.keeps(n) {
				delete(t.kept, k)
				delete(t.numbers, k)
			}
		}
	}
}
