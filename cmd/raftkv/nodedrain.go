package main

import (
	"context"
	"errors"
	"fmt"
	"math"
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
are enough, and it gets no new ones. 'raftkv node list' shows how far it is, and
--wait tells of it until the node is empty. Such a node can be stopped and removed.`,
		"is draining; `raftkv node list` shows what it still has", "is draining already",
	}.command(true)
}

func newNodeUndrain() *cobra.Command {
	return nodeMark{
		"undrain", "Take drain back", "Take drain back: the node may have replicas and lead groups again.",
		"is active", "is not draining",
	}.command(false)
}

// command orders the mark. If it empties the node, that can be waited for.
func (k nodeMark) command(empties bool) *cobra.Command {
	var where admin
	var wait bool
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
			if wait {
				if err := where.awaitEmpty(cmd, id); err != nil {
					return err
				}
				return where.say(cmd, reply, "%s is empty", id)
			}
			if !reply.Changed {
				return where.say(cmd, reply, "%s %s", id, k.already)
			}
			return where.say(cmd, reply, "%s %s", id, k.done)
		},
	}
	where.add(cmd.Flags())
	if empties {
		cmd.Flags().BoolVar(&wait, "wait", false, "wait until the node is empty, and tell how far it is")
	}
	return cmd
}

// awaitEmpty waits until a node has no replicas of groups with slots any more, and
// tells of each one that goes.
func (a *admin) awaitEmpty(cmd *cobra.Command, id string) error {
	told := ""
	err := await(cmd.Context(), math.MaxInt64, id+" to be empty", func(ctx context.Context) (bool, error) {
		v, err := a.look(ctx)
		if err != nil {
			return false, nil // the next node may answer
		}
		for _, n := range listNodes(v) {
			if n.ID != id || n.Replicas == 0 {
				continue
			}
			if text := fmt.Sprintf("%s has %s and leads %s", id, count(n.Replicas, "replica"), count(n.Leads, "group")); text != told {
				told = text
				a.progress(cmd, "%s", text)
			}
			return false, nil
		}
		return true, nil
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("the wait was ended, and %s goes on draining: `raftkv balance plan` shows what it waits for, `raftkv node undrain %s` takes it back", id, id)
	}
	return err
}
