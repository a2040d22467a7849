package scan

import (
	"os"
	"slices"
	"strconv"
)

// patienceAtRotation is how often a rotation is looked at that does not come to
// an end, as when the file that was read is gone.
const patienceAtRotation = 40

// younger opens the files that came after the one that was read, oldest first:
// rotated ones, and that which is written to now. Names change while it looks,
// so it looks twice and is not ok unless it sees the same.
func (t *tail) younger(mine os.FileInfo) (files []*os.File, ok bool) {
	slots := t.slots(mine)
	if slots == nil {
		if t.looks++; t.looks < patienceAtRotation {
			return nil, false
		}
		// The file is gone, and with it what tells which are younger.
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
	if again := t.slots(mine); ok && t.looks < patienceAtRotation {
		ok = slices.EqualFunc(slots, again, func(a, b os.FileInfo) bool {
			return a == nil && b == nil || a != nil && b != nil && os.SameFile(a, b)
		})
	}
	if !ok || len(files) == 0 {
		for _, f := range files {
			_ = f.Close() // only read
		}
		return nil, false
	}
	t.looks = 0
	return files, true
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
// stands for a name that no file has. It returns nil if mine is not among them.
func (t *tail) slots(mine os.FileInfo) (younger []os.FileInfo) {
	missing := 0
	for i := 0; i < maxSlots && missing < 3; i++ {
		info, err := os.Stat(t.slot(i))
		if err != nil {
			younger = append(younger, nil)
			missing++
			continue
		}
		if os.SameFile(info, mine) {
			return younger
		}
		missing = 0
		younger = append(younger, info)
	}
	return nil
}
