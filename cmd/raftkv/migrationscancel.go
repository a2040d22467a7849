package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"raftkv/shard/controller"
)

func newMigrationsCancel() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "cancel EPOCH",
		Short: "Undo a migration that is under way",
		Long: `Undo a migration that is under way; 'raftkv migrations' shows its epoch. The slots
stay where they are. Once their new owner serves it is too late: the migration
then ends as it would have.`,
		Example: `  raftkv migrations cancel 41`,
		Args:    exactArgs("EPOCH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			epoch, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return misuse{fmt.Errorf("%q is no epoch of a migration; `raftkv migrations` shows them", args[0])}
			}
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodDelete, fmt.Sprint("/v1/migrations/", epoch), nil, &reply); err != nil {
				return err
			}
			if !reply.Changed {
				return where.say(cmd, reply, "migration %d is being undone already", epoch)
			}
			return where.say(cmd, reply, "migration %d is being undone, unless the new owner serves already", epoch)
		},
	}
	where.add(cmd.Flags())
	return cmd
}
