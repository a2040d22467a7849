package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"raftkv/shard/controller"
)

// nodeMark is one of the two marks that a node may have.
type nodeMark struct {
	name, short, long string
	done, already     string
}

func newNodeDrain() *cobra.Command {
	return nodeMark{
		"drain", "Move a node's replicas and leaderships elsewhere, and give it no new ones",
		`Mark a node as draining: its replicas and leaderships move to other nodes, if there
are enough, and it gets no new ones. 'raftkv node list' shows how far it is. An
empty node can be stopped and removed.`,
		"is draining; `raftkv node list` shows what it still has", "is draining already",
	}.command()
}

func newNodeUndrain() *cobra.Command {
	return nodeMark{
		"undrain", "Take drain back", "Take drain back: the node may have replicas and lead groups again.",
		"is active", "is not draining",
	}.command()
}

func (k nodeMark) command() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:     k.name + " ID",
		Short:   k.short,
		Long:    k.long,
		Example: "  raftkv node " + k.name + " n2\n  raftkv node " + k.name + " n2 --addr 127.0.0.1:8001 --json",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodPost, "/v1/nodes/"+url.PathEscape(id)+"/"+k.name, nil, &reply); err != nil {
				return err
			}
			if !reply.Changed {
				return where.say(cmd, reply, "%s %s", id, k.already)
			}
			return where.say(cmd, reply, "%s %s", id, k.done)
		},
	}
	where.add(cmd.Flags())
	return cmd
}
