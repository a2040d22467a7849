package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"raftkv/kv/launch"
)

func newNode() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Kill, pause, resume and start nodes of a local cluster",
		Example: `  raftkv node kill n1      # as kill -9
  raftkv node start n1
  raftkv node pause n2     # as a machine that hangs
  raftkv node resume n2`,
	}
	cmd.AddCommand(
		nodeAction("kill", "End a node's process at once (SIGKILL)", "killed", (*launch.Cluster).Kill),
		nodeAction("pause", "Let a node's process hang (SIGSTOP)", "paused", (*launch.Cluster).Pause),
		nodeAction("resume", "Let a paused process go on (SIGCONT)", "goes on", (*launch.Cluster).Resume),
		nodeAction("start", "Start a node that has ended", "serves", startNode),
	)
	return cmd
}

func nodeAction(name, short, done string, do func(*launch.Cluster, string) error) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Example: fmt.Sprintf("  raftkv node %s n1\n  raftkv node %s n1 --data demo", name, name),
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openCluster(data, "")
			if err != nil {
				return err
			}
			if err := do(c, args[0]); err != nil {
				return err
			}
			n, err := c.Node(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s (pid %d)\n", n.ID, done, n.PID)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the cluster's folder")
	return cmd
}

// startNode starts a node and waits until it serves. One that runs is left alone.
func startNode(c *launch.Cluster, id string) error {
	n, err := c.Node(id)
	if err != nil {
		return err
	}
	switch n.State() {
	case launch.Running:
		return nil
	case launch.Paused:
		return fmt.Errorf("%s is paused: `raftkv node resume %s`", id, id)
	}
	p, err := c.Start(id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return c.WaitNode(ctx, p)
}
