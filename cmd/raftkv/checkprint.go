package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"raftkv/kv/check"
	"raftkv/kv/history"
)

func faultsText(classes []check.Class) string {
	if len(classes) == 0 {
		return "none"
	}
	words := make([]string, len(classes))
	for i, c := range classes {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}

func printCheckProgress(out io.Writer, p check.Progress) {
	now := "no fault"
	if p.Fault != "" {
		now = p.Fault
	}
	problem := ""
	if p.Problem > 0 {
		problem = fmt.Sprintf("  WRONG %d", p.Problem)
	}
	fmt.Fprintf(out, "%4.0fs  %7d answers  %4d unknown  %5d refused  %3d faults%s  %s\n", p.Elapsed.Seconds(), p.Known, p.Unknown, p.Refused, p.Faults, problem, now)
}

// words for results, as the table has them.
var resultWords = map[history.Result]string{history.Correct: "ok", history.Violated: "VIOLATED", history.Undecided: "undecided"}

func printReport(out io.Writer, r *check.Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CHECK\tRESULT\tDETAIL")
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Name, resultWords[c.Result], c.Detail)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printInjected(out, r)
	for _, p := range r.Problems {
		fmt.Fprintf(out, "\n%s: %s\n", p.Check, p.Text)
		const most = 12 // the end is what matters
		from := max(len(p.Part)-most, 0)
		if from > 0 {
			fmt.Fprintf(out, "  ... %d operations before\n", from)
		}
		for i := range p.Part[from:] {
			fmt.Fprintln(out, " ", operationText(&p.Part[from+i]))
		}
		for _, file := range []string{p.File, p.Picture} {
			if file != "" {
				fmt.Fprintln(out, "  see", file)
			}
		}
	}
	if r.History != "" {
		fmt.Fprintf(out, "\nhistory: %s; judge it again with `%s check --history %s`\n", r.History, program(), r.History)
	}
	return nil
}

// printInjected tells how often each fault came.
func printInjected(out io.Writer, r *check.Report) {
	if r.Took == 0 {
		return
	}
	counts := make(map[string]int)
	failed := ""
	for _, f := range r.Faults {
		kind, _, _ := strings.Cut(f.Fault, " ")
		if f.Error != "" {
			kind += " (failed)"
			failed = cmp.Or(failed, fmt.Sprintf("%s: %s", f.Fault, f.Error))
		}
		counts[kind]++
	}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	text := "none"
	if len(words) > 0 {
		text = strings.Join(words, ", ")
	}
	fmt.Fprintf(out, "\nseed %d, %.1f s, %s; faults: %s\n", r.Seed, r.Took, count(r.Windows, "window"), text)
	if failed != "" {
		fmt.Fprintf(out, "a fault that could not be injected: %s\n", failed)
	}
	fmt.Fprintf(out, "%d operations, %d of unknown outcome, %d refused; longest time without any answer %.2f s, and on one set of keys %.2f s\n", r.Operations, r.Unknown, r.Refused, r.Silence, r.Unavailable)
	if r.Moves > 0 {
		fmt.Fprintf(out, "%d slots were moved meanwhile\n", r.Moves)
	}
}

// operationText is an operation on a line of its own.
func operationText(o *history.Operation) string {
	end := "?"
	if !o.Unknown {
		end = fmt.Sprintf("%.3f", float64(o.Return)/1e9)
	}
	return fmt.Sprintf("%9.3f-%-9s client %-3d %-4s %s", float64(o.Call)/1e9, end, o.Client, o.Node, o)
}
