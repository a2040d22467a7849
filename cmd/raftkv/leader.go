package main

import "github.com/spf13/cobra"

func newLeader() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "leader",
		Short:   "Let another node lead a group",
		Example: `  raftkv leader move --group 1 --to n2`,
	}
	family(cmd, newLeaderMove())
	return cmd
}
