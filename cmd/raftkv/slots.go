package main

import (
	"github.com/spf13/cobra"
)

func newSlots() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "slots",
		Short:   "Move slots between groups while clients work",
		Example: `  raftkv slots move --slots 0-99,512 --to 2`,
	}
	family(cmd, newSlotsMove())
	return cmd
}
