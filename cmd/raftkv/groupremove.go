package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"raftkv/shard/controller"
)

func newGroupRemove() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a group that owns no slots",
		Long: `Remove a group. It is refused while the group owns slots or takes part in a
migration: move its slots to other groups first. The balancer adds groups and
gives slots to those that have none, so turn it off before.`,
		Example: `  raftkv balance off
  raftkv slots move --slots 0-99 --to 1
  raftkv group remove 4`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseGroup(args[0])
			if err != nil {
				return err
			}
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodDelete, fmt.Sprint("/v1/groups/", id), nil, &reply); err != nil {
				return err
			}
			if !reply.Changed {
				return where.say(cmd, reply, "group %d has been removed before", id)
			}
			return where.say(cmd, reply, "group %d is removed", id)
		},
	}
	where.add(cmd.Flags())
	return cmd
}
