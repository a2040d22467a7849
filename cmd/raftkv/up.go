package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/kv/node"
)

// upOptions are the flags of up.
type upOptions struct {
	localCluster
	settings
	spec   launch.Spec
	fixed  []string // flags of nodes that nobody has set, and that serve has others for
	detach bool
}

func newUp() *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a local cluster, one process a node",
		Long: `Start a local cluster, one process a node, and stay until Ctrl-C, or 'raftkv down'
elsewhere, stops it. Nodes that die, hang or come back meanwhile are reported, and
so is what the cluster decides, with the reason; 'raftkv events' shows all of that.

With --detach it returns once the cluster serves; 'raftkv down' stops it. Started
again on the same folder it resumes the data, with the settings of before unless
others are given.`,
		Example: `  raftkv up
  raftkv up --nodes 5 --groups 8 --data demo --detach
  raftkv up --log-store boltdb --replay-budget 500ms`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			c, err := o.open(o.password)
			if err != nil {
				return err
			}
			o.spec.Flags = o.args(cmd.Flags())
			if !cmd.Flags().Changed(faultsFlag) {
				o.fixed = []string{fmt.Sprintf("--%s=%v", faultsFlag, o.breakable)}
			}
			if o.unsafe != "" && node.UnsafeWarning(o.unsafe) == "" {
				return misuse{fmt.Errorf("--unsafe %s: there are %s", o.unsafe, node.UnsafeNames())}
			}
			if o.unsafe != "" && !o.breakable {
				return misuse{fmt.Errorf("--unsafe needs --%s", faultsFlag)}
			}
			if err := o.prepare(cmd, c); err != nil {
				return err
			}
			if nodes, err := c.Nodes(); err == nil {
				warnUnsafe(cmd.ErrOrStderr(), unsafeOf(nodes)) // now, or at an earlier start
			}
			return o.up(cmd.Context(), c, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	o.localCluster.add(f)
	f.IntVar(&o.spec.Nodes, "nodes", 3, "how many nodes")
	f.IntVar(&o.spec.Groups, "groups", 0, "how many raft groups share the slots; 0: as many as nodes, so that every node leads one")
	f.IntVar(&o.spec.RedisPort, "redis-port", 7001, "Redis port of the first node; the others count up")
	f.IntVar(&o.spec.HTTPPort, "http-port", 8001, "HTTP port of the first node")
	f.IntVar(&o.spec.PeerPort, "peer-port", 9001, "peer port of the first node")
	f.BoolVar(&o.detach, "detach", false, "return once the cluster serves, and leave it running")
	o.breakable = true
	o.settings.add(f)
	return cmd
}

// prepare makes the cluster's file, or sees that it fits what is asked for.
func (o *upOptions) prepare(cmd *cobra.Command, c *launch.Cluster) error {
	begun, err := c.Begun()
	if err != nil && !errors.Is(err, launch.ErrNoCluster) {
		return err
	}
	if !begun {
		if err := o.spec.Check(); err != nil {
			return misuse{err}
		}
		spec := o.spec
		spec.Flags = append(slices.Clone(spec.Flags), o.fixed...)
		if err := c.Create(spec); err != nil {
			return err
		}
	} else if err := o.fits(cmd, c); err != nil {
		return err
	}
	if begun {
		if err := c.AddFlags(append(slices.Clone(o.spec.Flags), o.fixed...)); err != nil {
			return err
		}
	}
	switch {
	case o.password != "":
		return c.Require(passwordVariable)
	case cmd.Flags().Changed("password"): // --password= takes it away
		return c.Require()
	}
	return nil
}

// fits refuses to change what is fixed once a cluster has begun.
func (o *upOptions) fits(cmd *cobra.Command, c *launch.Cluster) error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("nodes") && o.spec.Nodes != len(nodes) {
		return fmt.Errorf("%s has a cluster of %d nodes: leave --nodes out to resume it, or take another folder with --data", c.Dir(), len(nodes))
	}
	if groups, err := c.Groups(); err != nil || cmd.Flags().Changed("groups") && o.spec.Groups != groups {
		return errors.Join(err, fmt.Errorf("%s has a cluster already, and --groups is for new ones: leave it out to resume, or take another folder with --data", c.Dir()))
	}
	for _, p := range []struct {
		flag string
		port int
		addr string
	}{{"redis-port", o.spec.RedisPort, nodes[0].Redis}, {"http-port", o.spec.HTTPPort, nodes[0].HTTP}, {"peer-port", o.spec.PeerPort, nodes[0].Peer}} {
		if cmd.Flags().Changed(p.flag) && p.addr != fmt.Sprintf("127.0.0.1:%d", p.port) {
			return fmt.Errorf("%s has a cluster whose first node is at %s: leave --%s out to resume it, or take another folder with --data", c.Dir(), p.addr, p.flag)
		}
	}
	return nil
}

// up starts what does not run yet and waits until all of it serves.
func (o *upOptions) up(ctx context.Context, c *launch.Cluster, out io.Writer) error {
	processes, err := o.start(c)
	if err != nil {
		return err
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
	if len(processes) == 0 {
		fmt.Fprintf(out, "The cluster in %s runs already; `%s` shows it, `%s` stops it.\n", c.Dir(), o.command("status"), o.command("down"))
		if len(o.spec.Flags) > 0 {
			fmt.Fprintln(out, "What was set now takes effect when its nodes start again.")
		}
		if o.detach {
			return nil
		}
		return errors.New("it was not started here, and so is not stopped here")
	}
	if err := o.greet(out, c); err != nil {
		return err
	}
	if o.detach {
		return nil
	}
	err = o.watch(ctx, c, processes, out)
	if errors.Is(err, launch.ErrDown) {
		fmt.Fprintf(out, "stopped from elsewhere; `%s` resumes the data\n", o.command("up"))
		return nil
	}
	if err != nil {
		// As when somebody removed the folder: what was started here must not stay.
		return errors.Join(err, c.StopThose(processes, stopGrace))
	}
	n, err := c.Stop(stopGrace)
	fmt.Fprintf(out, "stopped %s\n", count(n, "node"))
	return err
}

// start starts the nodes that do not run, all or none.
func (o *upOptions) start(c *launch.Cluster) ([]*launch.Process, error) {
	nodes, err := c.Nodes()
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.State() == launch.Paused {
			return nil, fmt.Errorf("%s is paused: `%s`", n.ID, o.command("node", "resume", n.ID))
		}
	}
	if err := c.CheckPorts(); err != nil {
		return nil, err
	}
	var processes []*launch.Process
	for _, n := range nodes {
		if n.State() != launch.Dead {
			continue
		}
		p, err := c.Start(n.ID)
		if err != nil {
			return nil, errors.Join(err, c.StopThose(processes, stopGrace))
		}
		processes = append(processes, p)
	}
	return processes, nil
}

// greet tells how to talk to the cluster.
func (o *upOptions) greet(out io.Writer, c *launch.Cluster) error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	groups, err := c.Groups()
	if err != nil {
		return err
	}
	if groups == 0 {
		groups = len(nodes)
	}
	fmt.Fprintf(out, "raftkv: %s serve %s; data in %s\n", count(len(nodes), "node"), count(groups, "group"), o.data)
	for _, n := range nodes {
		fmt.Fprintf(out, "  %s  redis %s  http %s  peer %s  pid %d\n", n.ID, n.Redis, n.HTTP, n.Peer, n.PID)
	}
	first := nodes[0]
	_, port, err := net.SplitHostPort(first.Redis)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Try:  redis-cli -c -p %s set a 1\n", port)
	fmt.Fprintf(out, "      curl http://%s/v1/kv/a\n", first.HTTP)
	fmt.Fprintf(out, "      %s\n", o.command("status"))
	fmt.Fprintf(out, "      %s    # who leads now?\n", o.command("node", "kill", "n1"))
	if o.detach {
		fmt.Fprintf(out, "Stop it with:  %s\n", o.command("down"))
	} else {
		fmt.Fprintln(out, "Ctrl-C stops it and keeps the data.")
	}
	return nil
}

// watch tells what happens to the nodes and what the cluster decides, until ctx ends.
func (o *upOptions) watch(ctx context.Context, c *launch.Cluster, processes []*launch.Process, out io.Writer) error {
	ctx, end := context.WithCancel(ctx)
	var mu sync.Mutex // guards out: both tell at any time
	var following sync.WaitGroup
	following.Go(func() {
		events := eventReader{addrs: o.addrs, at: "now"}
		// It fails only if the cluster's file is gone, which Watch reports, too.
		_ = events.follow(ctx, func(e kv.Event) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := fmt.Fprintln(out, eventLine(e))
			return err
		})
	})
	err := c.Watch(ctx, processes, func(e launch.Event) {
		mu.Lock()
		defer mu.Unlock()
		o.report(out, e)
	})
	end()
	following.Wait()
	return err
}

// report tells what happened to a node.
func (o *upOptions) report(out io.Writer, e launch.Event) {
	n := e.Node
	text := fmt.Sprintf("%s %s (pid %d)", n.ID, e.Change, n.PID)
	switch e.Change {
	case launch.Ended:
		text = fmt.Sprintf("%s exited: %s (pid %d); restart it with `%s`", n.ID, e.Reason, n.PID, o.command("node", "start", n.ID))
	case launch.Stopped:
		text += fmt.Sprintf("; let it go on with `%s`", o.command("node", "resume", n.ID))
	}
	fmt.Fprintln(out, time.Now().Format("15:04:05"), text)
}
