package fsm

import (
	"fmt"

	"raftkv/shard"
)

// SlotState says what this group may do with a slot. The group's own log is
// the truth about it; the shard map only plans and routes (design: "Who owns
// a slot").
type SlotState uint8

// The states of a slot in a group.
const (
	Absent     SlotState = iota // another group's; keys of its time here may still be going
	Installing                  // its keys are coming in; not served
	Owned                       // served
	Exporting                   // served, while its keys are copied away
	Frozen                      // its last keys are being handed over; not served
)

var slotStateNames = [...]string{"absent", "installing", "owned", "exporting", "frozen"}

func (s SlotState) String() string {
	if int(s) < len(slotStateNames) {
		return slotStateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Serves tells whether commands for a slot in this state are executed.
func (s SlotState) Serves() bool { return s == Owned || s == Exporting }

// slotTable is the gate that every command passes when it is applied.
type slotTable struct {
	state [shard.Slots]SlotState
	epoch [shard.Slots]uint64 // at which the group came to own it, or will
	// had are the slots that the group has ever had to do with; it never shrinks.
	had     slotSet
	changed bool // since it was published
}

// SlotRange is a run of slots in the same state since the same epoch.
type SlotRange struct {
	Range shard.Range `json:"slots"`
	State string      `json:"state"`
	Epoch uint64      `json:"epoch"`
}

// set moves slots to a state. Absent slots are not listed by ranges.
func (t *slotTable) set(r shard.Range, state SlotState, epoch uint64) {
	t.changed = true
	for slot := int(r.From()); slot <= int(r.To()); slot++ {
		t.state[slot], t.epoch[slot] = state, epoch
		t.had.add(uint16(slot))
	}
}

// ranges lists the slots that are not absent.
func (t *slotTable) ranges() []SlotRange {
	var out []SlotRange
	for slot := range t.state {
		state, epoch := t.state[slot], t.epoch[slot]
		if state == Absent {
			continue
		}
		if n := len(out); n > 0 {
			last := &out[n-1]
			if int(last.Range.To()) == slot-1 && t.state[slot-1] == state && last.Epoch == epoch {
				last.Range[1] = uint16(slot)
				continue
			}
		}
		out = append(out, SlotRange{Range: shard.Range{uint16(slot), uint16(slot)}, State: state.String(), Epoch: epoch})
	}
	return out
}

// load is the reverse of ranges.
func (t *slotTable) load(in []SlotRange) error {
	for _, r := range in {
		state := -1
		for i, name := range slotStateNames {
			if name == r.State {
				state = i
			}
		}
		if state < 0 || r.Range.From() > r.Range.To() || r.Range.To() >= shard.Slots {
			return fmt.Errorf("slot range %v in state %q makes no sense", r.Range, r.State)
		}
		t.set(r.Range, SlotState(state), r.Epoch)
	}
	return nil
}

// serving lists the slots that the group serves.
func (t *slotTable) serving() []shard.Range {
	var set slotSet
	for slot, state := range t.state {
		if state.Serves() {
			set.add(uint16(slot))
		}
	}
	return set.ranges()
}

// untouched returns those of slots that the group has never had to do with.
func (t *slotTable) untouched(slots []shard.Range) []shard.Range {
	var set slotSet
	for _, r := range slots {
		for slot := int(r.From()); slot <= int(r.To()); slot++ {
			if !t.had.has(uint16(slot)) {
				set.add(uint16(slot))
			}
		}
	}
	return set.ranges()
}
