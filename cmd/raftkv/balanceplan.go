package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"raftkv/kv"
)

func newBalancePlan() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what the balancer would do now, and why; nothing is done",
		Example: `  raftkv balance plan
  raftkv balance off && raftkv balance plan      # what would it do?`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var p kv.PlanStatus
			if _, err := where.fetch(cmd.Context(), "/v1/balance/plan", &p); err != nil {
				return err
			}
			return where.print(cmd, p, func(out io.Writer) error { return writePlan(out, p) })
		},
	}
	where.add(cmd.Flags())
	return cmd
}

func writePlan(out io.Writer, p kv.PlanStatus) error {
	fmt.Fprintf(out, "the balancer is %s; by map %d it would do:\n", onOff(p.Balance), p.Epoch)
	if len(p.Actions) == 0 {
		fmt.Fprintln(out, "  nothing")
	}
	for _, a := range p.Actions {
		fmt.Fprintf(out, "  %s\n", a.Text)
	}
	if len(p.IfOn) > 0 {
		fmt.Fprintln(out, "turned on, it would also do:")
	}
	for _, a := range p.IfOn {
		fmt.Fprintf(out, "  %s\n", a.Text)
	}
	if len(p.Notes) > 0 {
		fmt.Fprintln(out, "because:")
	}
	for _, note := range p.Notes {
		fmt.Fprintf(out, "  %s\n", note)
	}
	return nil
}
