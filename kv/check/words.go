package check

import "raftkv/kv/history"

// commands are what an operation is on the wire. Several steps are a transaction.
func commands(o *history.Operation) [][]string {
	var out [][]string
	for i := range o.Steps {
		out = append(out, o.Steps[i].Command())
	}
	if len(out) > 1 {
		out = append(append([][]string{{"MULTI"}}, out...), []string{"EXEC"})
	}
	return out
}
