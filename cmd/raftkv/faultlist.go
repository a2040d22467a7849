package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
)

func newFaultList() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the faults that are active",
		Example: "  raftkv fault list\n  raftkv fault list --json | jq -r '.[].id'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := []kv.FaultStatus{}
			// A node that has no faults to list refuses, and the others would, too.
			if err := where.order(cmd.Context(), http.MethodGet, "/v1/faults", nil, &list); err != nil {
				return err
			}
			return where.print(cmd, list, func(out io.Writer) error {
				if len(list) == 0 {
					_, err := fmt.Fprintln(out, "no fault is active")
					return err
				}
				return printFaults(out, list, time.Now())
			})
		},
	}
	where.add(cmd.Flags())
	return cmd
}

// printFaults shows faults as a table.
func printFaults(out io.Writer, list []kv.FaultStatus, now time.Time) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FAULT\tWHAT\tSINCE\tENDS\tKNOWN BY")
	for _, st := range list {
		since := now.Sub(time.UnixMilli(st.StartedMS)).Truncate(time.Second)
		ends := "when healed"
		if st.UntilMS > 0 {
			ends = fmt.Sprintf("in %v", time.UnixMilli(st.UntilMS).Sub(now).Round(time.Second))
		}
		fmt.Fprintf(t, "%s\t%s\t%v\t%s\t%s\n", st.ID, st.Fault, max(since, 0), ends, strings.Join(st.Nodes, ","))
	}
	return t.Flush()
}
