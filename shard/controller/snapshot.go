package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// stateJSON is how a State is written. The current map is the last one of the
// history.
type stateJSON struct {
	LastGroup uint32        `json:"last_group"`
	History   []segmentJSON `json:"history"`
}

type segmentJSON struct {
	Epoch  uint64            `json:"epoch"`
	Map    json.RawMessage   `json:"map"`
	Deltas []json.RawMessage `json:"deltas"`
}

// MarshalJSON writes the state with its history.
func (s *State) MarshalJSON() ([]byte, error) {
	out := stateJSON{LastGroup: s.last}
	for _, seg := range s.history.segments {
		out.History = append(out.History, segmentJSON{Epoch: seg.epoch, Map: seg.base, Deltas: seg.deltas})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error s is as it was. The
// current map is checked now. Damage in the older history, which only MapAt
// reads, is left for MapAt to find: reading all of it would take seconds of
// every start.
func (s *State) UnmarshalJSON(b []byte) error {
	var compact bytes.Buffer // sizes are those of compact JSON, on every replica
	if err := json.Compact(&compact, b); err != nil {
		return fmt.Errorf("controller's state: %w", err)
	}
	var in stateJSON
	if err := json.Unmarshal(compact.Bytes(), &in); err != nil {
		return fmt.Errorf("controller's state: %w", err)
	}
	if len(in.History) == 0 {
		return errors.New("controller's state: there is no map in it")
	}
	h := history{limit: historyBytes}
	for i, x := range in.History {
		if x.Epoch > math.MaxUint64/2 {
			return fmt.Errorf("controller's state: epoch %d leaves no room for later ones", x.Epoch)
		}
		if i > 0 {
			last := h.segments[i-1]
			if want := last.epoch + uint64(len(last.deltas)); x.Epoch != want {
				return fmt.Errorf("controller's state: the history goes on at epoch %d, want %d", x.Epoch, want)
			}
		}
		seg := segment{epoch: x.Epoch, base: x.Map, deltas: x.Deltas}
		for _, d := range x.Deltas {
			seg.size += len(d)
		}
		h.segments = append(h.segments, seg)
		h.size += len(seg.base) + seg.size
	}
	last := h.segments[len(h.segments)-1]
	m, err := last.replay(last.epoch + uint64(len(last.deltas)))
	if err != nil {
		return fmt.Errorf("controller's state: %w", err)
	}
	if n := len(m.Groups); n > 0 && m.Groups[n-1].ID > in.LastGroup {
		return fmt.Errorf("controller's state: it has group %d, but says that %d was the last", m.Groups[n-1].ID, in.LastGroup)
	}
	*s = State{current: m, last: in.LastGroup, history: h}
	return nil
}

var (
	_ json.Marshaler   = (*State)(nil)
	_ json.Unmarshaler = (*State)(nil)
)
