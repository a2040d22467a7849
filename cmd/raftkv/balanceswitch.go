package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"raftkv/shard/controller"
)

// newBalanceSwitch makes `raftkv balance on` or `raftkv balance off`.
func newBalanceSwitch(on bool) *cobra.Command {
	var where admin
	short := "Let the balancer move leaders, slots and replicas by itself"
	if !on {
		short = "Stop the balancer; migrations under way go on"
	}
	cmd := &cobra.Command{
		Use:     onOff(on),
		Short:   short,
		Example: "  raftkv balance " + onOff(on),
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodPut, "/v1/balance", map[string]bool{"on": on}, &reply); err != nil {
				return err
			}
			if !reply.Changed {
				return where.say(cmd, reply, "the balancer is %s already", onOff(on))
			}
			return where.say(cmd, reply, "the balancer is %s", onOff(on))
		},
	}
	where.add(cmd.Flags())
	return cmd
}
