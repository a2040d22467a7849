package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Write writes a history, an operation a line as JSON.
func Write(w io.Writer, ops []Operation) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	for i := range ops {
		if err := enc.Encode(&ops[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Read is the reverse of Write. It fails with the number of the first line that
// is no operation.
func Read(r io.Reader) (ops []Operation, err error) {
	dec := json.NewDecoder(bufio.NewReader(r))
	for {
		var o Operation
		if err := dec.Decode(&o); errors.Is(err, io.EOF) {
			return ops, nil
		} else if err != nil {
			return ops, fmt.Errorf("operation %d of the history: %w", len(ops)+1, err)
		}
		if len(o.Steps) == 0 {
			return ops, fmt.Errorf("operation %d of the history has no steps", len(ops)+1)
		}
		ops = append(ops, o)
	}
}
