package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newDown() *cobra.Command {
	var local localCluster
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop a local cluster; its data stays",
		Long: `Stop a local cluster; its data stays. Nodes that do not end in order within
15 seconds are killed.`,
		Example: "  raftkv down\n  raftkv down --data demo",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := local.open("")
			if err != nil {
				return err
			}
			n, err := c.Stop(stopGrace)
			if err != nil {
				return err
			}
			if n == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "nothing of %s runs\n", c.Dir())
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "stopped %s; `%s` resumes the data\n", count(n, "node"), local.command("up"))
			return nil
		},
	}
	local.add(cmd.Flags())
	return cmd
}

// count says how many there are of something.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
