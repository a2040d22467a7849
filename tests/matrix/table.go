package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"raftkv/kv/history"
)

var words = map[history.Result]string{history.Correct: "ok", history.Violated: "WRONG", history.Undecided: "?"}

// text is a cell of the table.
func (r *result) text() string {
	return fmt.Sprintf("%-5s %5d %3d %5.2fs", words[r.Verdict], r.Operations, r.Faults, r.Unavailable)
}

// table prints the matrix, a column for each workload.
func (m *matrix) table(out io.Writer) {
	fmt.Fprint(out, "\nIn each cell: verdict, operations checked, faults injected, longest time in which nobody was answered who asked for some keys.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	head := []string{"FAULT", "GROUPS"}
	for _, w := range m.works {
		head = append(head, strings.ToUpper(w.name))
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for at := 0; at < len(m.results); at += len(m.works) {
		line := m.results[at:min(at+len(m.works), len(m.results))]
		fmt.Fprintf(t, "%s\t%d", line[0].Fault, line[0].Groups)
		for i := range line {
			fmt.Fprint(t, "\t", line[i].text())
		}
		fmt.Fprintln(t)
	}
	t.Flush()

	var total struct {
		ops, unknown, moves int64
		faults, failed      int
		longest             result
	}
	for _, r := range m.results {
		total.ops += r.Operations
		total.unknown += r.Unknown
		total.moves += r.Moves
		total.faults += r.Faults
		total.failed += r.Failed
		if r.Unavailable > total.longest.Unavailable {
			total.longest = r
		}
	}
	fmt.Fprintf(out, "\n%d of %d cells in %v, seed %d: %d operations, %d more of unknown outcome, %d faults (%d more could not be injected), %d slots moved\n",
		len(m.results), len(m.cells), time.Since(m.began).Round(time.Second), m.seed, total.ops, total.unknown, total.faults, total.failed, total.moves)
	if r := total.longest; r.Unavailable > 0 {
		fmt.Fprintf(out, "longest: %.2f s, of %s under %s with %d\n", r.Unavailable, r.Workload, r.Fault, r.Groups)
	}
	wrong := 0
	for i := range m.results {
		r := &m.results[i]
		if r.Verdict == history.Correct {
			continue
		}
		wrong++
		fmt.Fprintf(out, "\n%s %s under %s with %d: %s\n  history in %s, the nodes' data in %s\n  again: %s\n",
			words[r.Verdict], r.Workload, r.Fault, r.Groups, r.Why, r.Kept, r.Data, r.Command)
	}
	if wrong == 0 && len(m.results) > 0 {
		fmt.Fprintln(out, "nothing is wrong")
	}
}
