package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"raftkv/shard/controller"
)

// foundTimeout is how long a new group may take until it can be given slots.
const foundTimeout = 30 * time.Second

func newGroupAdd() *cobra.Command {
	var where admin
	var nodes []string
	var wait bool
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add a group, and wait until it can be given slots",
		Long: `Add a group, and wait until it can be given slots. It owns none at first: move some
to it, or let the balancer do that. Each call adds another group.`,
		Example: `  raftkv group add                      # on the nodes with the fewest replicas
  raftkv group add --nodes n1,n2,n3
  raftkv slots move --slots 0-99 --to 4`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodPost, "/v1/groups", map[string]any{"nodes": nodes}, &reply); err != nil {
				return err
			}
			var on []string
			err := await(cmd.Context(), foundTimeout, fmt.Sprintf("a leader of group %d, which has been added", reply.Group), func(ctx context.Context) (bool, error) {
				m, err := where.shardMap(ctx)
				if err != nil {
					return false, err
				}
				g := m.Group(reply.Group)
				if g == nil {
					// The node that answers may not have the map that we were told of.
					if m.Epoch > reply.Epoch {
						return true, fmt.Errorf("group %d has been removed meanwhile", reply.Group)
					}
					return false, nil
				}
				on = on[:0]
				for _, r := range g.Replicas {
					on = append(on, r.Node)
				}
				return g.Founded || !wait, nil
			})
			if err != nil {
				return err
			}
			return where.say(cmd, reply, "group %d is added on %s; it owns no slots yet: raftkv slots move --slots 0-99 --to %d", reply.Group, strings.Join(on, ", "), reply.Group)
		},
	}
	f := cmd.Flags()
	where.add(f)
	f.StringSliceVar(&nodes, "nodes", nil, "where its replicas lie; default: the nodes with the fewest")
	f.BoolVar(&wait, "wait", true, "wait until it has had a leader")
	return cmd
}
