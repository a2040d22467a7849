package main

import "github.com/spf13/cobra"

func newBalance() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "balance",
		Short: "Show, start and stop the balancer",
		Long: `The balancer moves leaders, slots and replicas by itself so that no node becomes a
hot spot. While it is off, only what has to be is moved: what dead and draining
nodes have.`,
		Example: `  raftkv balance
  raftkv balance plan          # what it would do now, and why
  raftkv balance off`,
	}
	status := newBalanceStatus()
	family(cmd, status, newBalancePlan(), newBalanceSwitch(true), newBalanceSwitch(false))
	cmd.Flags().AddFlagSet(status.Flags()) // alone, it shows the status
	cmd.RunE = status.RunE
	return cmd
}
