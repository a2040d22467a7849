package kv

// Drained is what POST /v1/nodes/{id}/drain answers.
type Drained struct {
	Epoch   uint64 `json:"epoch"`   // of the map after it
	Changed bool   `json:"changed"` // false: it drained already
	// Copies is how many replicas groups have at most when the node is empty, if that is
	// fewer than now.
	Copies int `json:"copies,omitempty"`
}
