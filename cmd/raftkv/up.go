package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv/launch"
)

// defaultData is where a local cluster lies unless --data says otherwise.
const defaultData = "raftkv-data"

const (
	// startTimeout bounds how long a cluster may take until it serves.
	startTimeout = time.Minute
	// stopGrace is how long nodes may take to end in order.
	stopGrace = 15 * time.Second
)

func newUp() *cobra.Command {
	var s settings
	var data string
	var detach bool
	spec := launch.Spec{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a local cluster, one process a node",
		Long: `Start a local cluster, one process a node, and stay until Ctrl-C stops it.

With --detach it returns once the cluster serves; 'raftkv down' stops it. Started
again on the same folder it resumes the data.`,
		Example: `  raftkv up
  raftkv up --nodes 5 --data demo --detach
  raftkv up --log-store boltdb --replay-budget 500ms`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := openCluster(data, s.password)
			if err != nil {
				return err
			}
			spec.Flags = s.args(cmd.Flags())
			if err := prepare(cmd, c, spec); err != nil {
				return err
			}
			return up(cmd.Context(), c, detach, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&data, "data", defaultData, "the cluster's folder")
	f.IntVar(&spec.Nodes, "nodes", 3, "how many nodes")
	f.IntVar(&spec.RedisPort, "redis-port", 7001, "Redis port of the first node; the others count up")
	f.IntVar(&spec.HTTPPort, "http-port", 8001, "HTTP port of the first node")
	f.IntVar(&spec.PeerPort, "peer-port", 9001, "peer port of the first node")
	f.BoolVar(&detach, "detach", false, "return once the cluster serves, and leave it running")
	s.add(f)
	return cmd
}

// openCluster returns the cluster in data; its nodes run this very program.
func openCluster(data, password string) (*launch.Cluster, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var environ []string
	if password != "" {
		environ = append(environ, "RAFTKV_PASSWORD="+password)
	}
	return launch.Open(data, self, environ...)
}

// prepare makes the cluster's file, or sees that it fits what is asked for.
func prepare(cmd *cobra.Command, c *launch.Cluster, spec launch.Spec) error {
	nodes, err := c.Nodes()
	if errors.Is(err, launch.ErrNoCluster) {
		return c.Create(spec)
	}
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("nodes") && spec.Nodes != len(nodes) {
		return fmt.Errorf("%s has a cluster of %d nodes: leave --nodes out to resume it, or take another folder with --data", c.Dir(), len(nodes))
	}
	for flag, port := range map[string]int{"redis-port": spec.RedisPort, "http-port": spec.HTTPPort, "peer-port": spec.PeerPort} {
		addr := map[string]string{"redis-port": nodes[0].Redis, "http-port": nodes[0].HTTP, "peer-port": nodes[0].Peer}[flag]
		if cmd.Flags().Changed(flag) && addr != fmt.Sprintf("127.0.0.1:%d", port) {
			return fmt.Errorf("%s has a cluster whose first node is at %s: leave --%s out to resume it, or take another folder with --data", c.Dir(), addr, flag)
		}
	}
	if len(spec.Flags) > 0 {
		return c.SetFlags(spec.Flags)
	}
	return nil
}

// up starts what does not run yet and waits until all of it serves.
func up(ctx context.Context, c *launch.Cluster, detach bool, out io.Writer) error {
	if err := c.CheckPorts(); err != nil {
		return err
	}
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	var processes []*launch.Process
	for _, n := range nodes {
		if n.State() != launch.Dead {
			continue
		}
		p, err := c.Start(n.ID)
		if err != nil {
			return errors.Join(err, c.StopThose(processes, stopGrace))
		}
		processes = append(processes, p)
	}
	if len(processes) == 0 {
		fmt.Fprintf(out, "The cluster in %s runs already; `raftkv status` shows it, `raftkv down` stops it.\n", c.Dir())
		if detach {
			return nil
		}
		return errors.New("it was not started here, and so is not stopped here")
	}
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.WaitReady(ready, processes); err != nil {
		stopErr := c.StopThose(processes, stopGrace)
		if ctx.Err() != nil {
			return stopErr // Ctrl-C
		}
		return errors.Join(err, stopErr)
	}
	if nodes, err = c.Nodes(); err != nil {
		return err
	}
	greet(out, c, nodes, detach)
	if detach {
		return nil
	}
	err = c.Watch(ctx, processes, func(text string) { fmt.Fprintln(out, time.Now().Format("15:04:05"), text) })
	return errors.Join(err, stop(c, out))
}

// greet tells how to talk to the cluster.
func greet(out io.Writer, c *launch.Cluster, nodes []launch.Node, detach bool) {
	fmt.Fprintf(out, "raftkv: %d nodes serve; data in %s\n", len(nodes), c.Dir())
	for _, n := range nodes {
		fmt.Fprintf(out, "  %s  redis %s  http %s  peer %s  pid %d\n", n.ID, n.Redis, n.HTTP, n.Peer, n.PID)
	}
	first := nodes[0]
	_, port, _ := cutLast(first.Redis, ":")
	fmt.Fprintf(out, "Try:  redis-cli -c -p %s set a 1\n", port)
	fmt.Fprintf(out, "      curl http://%s/v1/kv/a\n", first.HTTP)
	where := ""
	if c.Dir() != absolute(defaultData) {
		where = " --data " + c.Dir()
	}
	fmt.Fprintf(out, "      raftkv status%s\n", where)
	fmt.Fprintf(out, "      raftkv node kill n1%s    # who leads now?\n", where)
	if detach {
		fmt.Fprintf(out, "Stop it with:  raftkv down%s\n", where)
	} else {
		fmt.Fprintln(out, "Ctrl-C stops it and keeps the data.")
	}
}

func stop(c *launch.Cluster, out io.Writer) error {
	n, err := c.Stop(stopGrace)
	if n > 0 {
		fmt.Fprintf(out, "stopped %d nodes\n", n)
	}
	return err
}
