package scan

import (
	"os"
	"slices"
	"strconv"
)

// patienceAtRotation is how often the files are looked at, and are the same each
// time, before the one that was read is taken to be gone. While names change it may
// only be between two of them.
const patienceAtRotation = 40

// younger opens the files that came after the one that was read, oldest first:
// rotated ones, and that which is written to now. Names change while it looks,
// so it looks twice and is not ok unless it sees the same.
func (t *tail) younger(mine os.FileInfo) (files []*os.File, ok bool) {
	slots, found := t.slots(mine)
	if !found {
		if !sameFiles(slots, t.seen) {
			t.looks = 0
		}
		t.seen = slots
		if t.looks++; t.looks < patienceAtRotation {
			return nil, false
		}
		// The file is gone, and with it what tells which are younger.
		slots = nil
		if current, err := os.Stat(t.stream.Path); err == nil {
			slots = []os.FileInfo{current}
		}
	}
	ok = len(slots) > 0
	for i := len(slots) - 1; i >= 0 && ok; i-- {
		if slots[i] == nil {
			continue
		}
		f, err := os.Open(t.slot(i))
		if err != nil {
			ok = false
			break
		}
		files = append(files, f)
		info, err := f.Stat()
		ok = err == nil && os.SameFile(info, slots[i])
	}
	if ok && found {
		again, _ := t.slots(mine)
		ok = sameFiles(slots, again)
	}
	if !ok || len(files) == 0 {
		for _, f := range files {
			_ = f.Close() // only read
		}
		return nil, false
	}
	t.looks, t.seen = 0, nil
	return files, true
}

func sameFiles(a, b []os.FileInfo) bool {
	return slices.EqualFunc(a, b, func(a, b os.FileInfo) bool {
		return a == nil && b == nil || a != nil && b != nil && os.SameFile(a, b)
	})
}

// slot is the name of the i-th youngest file; 0 is the one that is written to.
func (t *tail) slot(i int) string {
	if i == 0 {
		return t.stream.Path
	}
	return t.stream.Path + "." + strconv.Itoa(i)
}

// maxSlots bounds how many rotated files are looked at.
const maxSlots = 1000

// slots looks at the files that are younger than mine, the youngest first; nil
// stands for a name that no file has. If mine is not found, it returns all.
func (t *tail) slots(mine os.FileInfo) (younger []os.FileInfo, found bool) {
	missing := 0
	for i := 0; i < maxSlots && missing < 3; i++ {
		info, err := os.Stat(t.slot(i))
		if err != nil {
			younger = append(younger, nil)
			missing++
			continue
		}
		if os.SameFile(info, mine) {
			return younger, true
		}
		missing = 0
		younger = append(younger, info)
	}
	return younger, false
}
