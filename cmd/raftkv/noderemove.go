package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"raftkv/shard/controller"
)

func newNodeRemove() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a node out of the cluster that is empty and does not run",
		Long: `Take a node out of the cluster. It is refused while the node has replicas, and
while it runs, since it would join again: drain it, wait until it is empty, stop
it, and remove it.`,
		Example: `  raftkv node drain n4 --wait
  raftkv node kill n4
  raftkv node remove n4`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodDelete, "/v1/nodes/"+url.PathEscape(id), nil, &reply); err != nil {
				return err
			}
			if !reply.Changed {
				return where.say(cmd, reply, "there is no node %s to remove; `raftkv node list` shows all", id)
			}
			return where.say(cmd, reply, "%s is removed", id)
		},
	}
	where.add(cmd.Flags())
	return cmd
}
