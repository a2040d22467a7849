package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/controller"
)

func newNodeDrain() *cobra.Command {
	var where admin
	var wait, force bool
	cmd := &cobra.Command{
		Use:   "drain ID",
		Short: "Move a node's replicas and leaderships elsewhere, and give it no new ones",
		Long: `Mark a node as draining: its replicas and leaderships move to other nodes, and it
gets no new ones. 'raftkv node list' shows how far it is, and --wait tells of it
until the node is empty: without replicas of groups with slots, and without a vote
in group 0, the controller, unless too few other nodes answer to do without it, of
which it tells. Such a node can be stopped and removed.

It is refused where too few nodes would remain, alive and not draining, for the
replicas that groups have now, of which there are up to three: add a node first.
With --force such replicas are given up, and groups go on with fewer copies. The
last usable node is never drained.`,
		Example: `  raftkv node drain n4
  raftkv node drain n4 --wait
  raftkv node drain n3 --force     # of three nodes: two copies remain
  raftkv node drain n4 --addr 127.0.0.1:8001 --json`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			var body any
			if force {
				body = map[string]bool{"force": true}
			}
			var reply kv.Drained
			if err := where.order(cmd.Context(), http.MethodPost, nodePath(id, "drain"), body, &reply); err != nil {
				return err
			}
			fewer := ""
			if reply.Copies > 0 {
				fewer = fmt.Sprintf("; groups keep at most %s", count(reply.Copies, "replica"))
			}
			if wait {
				if fewer != "" {
					where.progress(cmd, "%s is draining%s", id, fewer)
				}
				note, err := where.awaitEmpty(cmd, id)
				if err != nil {
					return err
				}
				return where.say(cmd, reply, "%s is empty%s", id, note)
			}
			if !reply.Changed {
				return where.say(cmd, reply, "%s is draining already", id)
			}
			return where.say(cmd, reply, "%s is draining; `raftkv node list` shows what it still has%s", id, fewer)
		},
	}
	where.add(cmd.Flags())
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the node is empty, and tell how far it is")
	cmd.Flags().BoolVar(&force, "force", false, "drain it though groups are left with fewer replicas")
	return cmd
}

func newNodeUndrain() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:     "undrain ID",
		Short:   "Take drain back",
		Long:    "Take drain back: the node may have replicas and lead groups again.",
		Example: "  raftkv node undrain n2\n  raftkv node undrain n2 --addr 127.0.0.1:8001 --json",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			var reply controller.Reply
			if err := where.order(cmd.Context(), http.MethodPost, nodePath(id, "undrain"), nil, &reply); err != nil {
				return err
			}
			if !reply.Changed {
				return where.say(cmd, reply, "%s is not draining", id)
			}
			return where.say(cmd, reply, "%s is active", id)
		},
	}
	where.add(cmd.Flags())
	return cmd
}

// nodePath is where an order about a node is given.
func nodePath(id, order string) string { return "/v1/nodes/" + url.PathEscape(id) + "/" + order }

// awaitEmpty waits until a node has no replicas of groups with slots any more, and no
// vote in group 0 that others can do without, and tells of each one that goes. It
// returns what a person should know of the empty node.
func (a *admin) awaitEmpty(cmd *cobra.Command, id string) (note string, err error) {
	told := ""
	err = await(cmd.Context(), math.MaxInt64, id+" to be empty", func(ctx context.Context) (bool, error) {
		v, err := a.look(ctx)
		if err != nil {
			return false, nil // the next node may answer
		}
		var left string
		if left, note = v.holds(id); left == "" {
			return true, nil
		}
		if left != told {
			told = left
			a.progress(cmd, "%s %s", id, left)
		}
		return false, nil
	})
	if errors.Is(err, context.Canceled) {
		return "", fmt.Errorf("the wait was ended, and %s goes on draining: `raftkv balance plan` shows what it waits for, `raftkv node undrain %s` takes it back", id, id)
	}
	return note, err
}

// holds tells what a draining node still has that goes elsewhere, and what it keeps.
func (v view) holds(id string) (leaving, keeps string) {
	for _, n := range listNodes(v) {
		if n.ID == id && n.Replicas > 0 {
			return fmt.Sprintf("has %s and leads %s", count(n.Replicas, "replica"), count(n.Leads, "group")), ""
		}
	}
	switch votes, goes := v.m.ControllerVote(id, func(n *shard.Node) bool { return v.answers(n.ID) }); {
	case goes:
		return "has no replica of a group with slots any more, and votes in group 0 until others do without its vote", ""
	case votes:
		return "", ", but votes in group 0, which too few other nodes answer to do without: add a node, or start those that are down, before you stop it"
	}
	return "", ""
}
