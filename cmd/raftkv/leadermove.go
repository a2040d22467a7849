package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// leadTimeout is how long a new leader may take until it serves.
const leadTimeout = 10 * time.Second

// ledBy is the JSON of `raftkv leader move`.
type ledBy struct {
	Changed bool   `json:"changed"` // false: it led already
	Group   uint32 `json:"group"`
	Leader  string `json:"leader"`
}

func newLeaderMove() *cobra.Command {
	var where admin
	var group int64
	var to string
	cmd := &cobra.Command{
		Use:   "move",
		Short: "Let a node with a vote in a group lead it, and wait until it does",
		Long: `Let a node lead a group, and wait until it does. It must have a vote in the group;
nothing is copied. The balancer evens out leaders: turn it off if the leader shall
stay where it is put.`,
		Example: `  raftkv leader move --group 1 --to n2
  raftkv leader move --group 0 --to n3     # the controller`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if group < 0 || group > math.MaxUint32 || to == "" {
				return misuse{errors.New("say which group and which node: --group 1 --to n2")}
			}
			id := uint32(group)
			before, err := where.look(cmd.Context())
			if err != nil {
				return err
			}
			if err := where.order(cmd.Context(), http.MethodPost, fmt.Sprintf("/v1/groups/%d/leader", id), map[string]string{"node": to}, new(struct{})); err != nil {
				return err
			}
			if before.leader(id) == to {
				return where.say(cmd, ledBy{false, id, to}, "%s leads group %d already", to, id)
			}
			err = await(cmd.Context(), leadTimeout, fmt.Sprintf("%s to lead group %d", to, id), func(ctx context.Context) (bool, error) {
				v, err := where.look(ctx)
				return err == nil && v.leader(id) == to, err
			})
			if err != nil {
				return err
			}
			return where.say(cmd, ledBy{true, id, to}, "%s leads group %d", to, id)
		},
	}
	f := cmd.Flags()
	where.add(f)
	f.Int64Var(&group, "group", -1, "the group")
	f.StringVar(&to, "to", "", "the node that shall lead it")
	return cmd
}
