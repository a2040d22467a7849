package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"raftkv/kv/launch"
)

// nodeAction is something that can be done to one node of a local cluster.
type nodeAction struct {
	name, short string
	// do returns what it did, and what else the user should know.
	do func(context.Context, *localCluster, *launch.Cluster, string) (done, note string, err error)
	// already is the state in which there is nothing to do.
	already launch.State
	nothing string
}

func newNode() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "List, drain and remove nodes; kill, pause, resume and start those of a local cluster",
		Example: `  raftkv node list
  raftkv node drain n4     # move what it has elsewhere
  raftkv node kill n1      # as kill -9
  raftkv node start n1
  raftkv node pause n2     # as a machine that hangs
  raftkv node resume n2`,
	}
	family(cmd,
		newNodeList(), newNodeDrain(), newNodeUndrain(), newNodeRemove(),
		nodeAction{"kill", "End a node's process at once (SIGKILL)", send((*launch.Cluster).Kill, "killed"), launch.Dead, "does not run"}.command(),
		nodeAction{"pause", "Let a node's process hang (SIGSTOP)", send((*launch.Cluster).Pause, "is paused"), launch.Paused, "is paused already"}.command(),
		nodeAction{"resume", "Let a paused process go on (SIGCONT)", send((*launch.Cluster).Resume, "goes on"), launch.Running, "is not paused"}.command(),
		nodeAction{"start", "Start a node that has ended, and wait until it serves", startNode, launch.Running, "runs already"}.command(),
	)
	return cmd
}

func (a nodeAction) command() *cobra.Command {
	var local localCluster
	cmd := &cobra.Command{
		Use:     a.name + " ID",
		Short:   a.short,
		Example: fmt.Sprintf("  raftkv node %s n1\n  raftkv node %s n1 --data demo", a.name, a.name),
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := local.open(os.Getenv(passwordVariable))
			if err != nil {
				return err
			}
			n, err := c.Node(args[0])
			if err != nil {
				return err
			}
			if n.State() == a.already {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", n.ID, a.nothing)
				return nil
			}
			done, note, err := a.do(cmd.Context(), &local, c, n.ID)
			if errors.Is(err, launch.ErrNotRunning) {
				return fmt.Errorf("%w: start it with `%s`", err, local.command("node", "start", n.ID))
			}
			if err != nil {
				return err
			}
			if n, err = c.Node(n.ID); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s (pid %d)%s\n", n.ID, done, n.PID, note)
			return nil
		},
	}
	local.add(cmd.Flags())
	return cmd
}

// send makes an action of a signal.
func send(signal func(*launch.Cluster, string) error, done string) func(context.Context, *localCluster, *launch.Cluster, string) (string, string, error) {
	return func(_ context.Context, _ *localCluster, c *launch.Cluster, id string) (string, string, error) {
		return done, "", signal(c, id)
	}
}

// startNode starts a node and waits until it serves; with too few others for
// that, until it runs.
func startNode(ctx context.Context, local *localCluster, c *launch.Cluster, id string) (done, note string, err error) {
	n, err := c.Node(id)
	if err != nil {
		return "", "", err
	}
	if n.State() == launch.Paused {
		return "", "", fmt.Errorf("%s is paused: `%s`", id, local.command("node", "resume", id))
	}
	p, err := c.Start(id)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	nodes, err := c.Nodes()
	if err != nil {
		return "", "", err
	}
	running := 0
	for _, n := range nodes {
		if n.State() == launch.Running {
			running++
		}
	}
	if needed := nodesNeeded(len(nodes)); running < needed {
		note := fmt.Sprintf("; it serves once %d of %s run, now %d", needed, count(len(nodes), "node"), running)
		return "runs", note, c.WaitHealthy(ctx, p)
	}
	return "serves", "", c.WaitNode(ctx, p)
}

// nodesNeeded is how many of a cluster's nodes must run so that each group has a
// quorum, wherever its up to three replicas lie.
func nodesNeeded(nodes int) int { return nodes - (min(nodes, 3)-1)/2 }
