package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/kv/fault"
	"raftkv/kv/launch"
)

// cluster returns the local cluster whose processes are broken; launch.ErrNoCluster
// if there is none, or another one is meant.
func (o *faultOptions) cluster() (*launch.Cluster, error) {
	if o.addr != "" {
		return nil, fmt.Errorf("a node's address does not tell where its process is: %w", launch.ErrNoCluster)
	}
	c, err := o.local.open(os.Getenv(passwordVariable))
	if err != nil {
		return nil, err
	}
	if _, err = c.Nodes(); err != nil {
		return nil, err
	}
	return c, nil
}

// targetsOf lists the nodes whose processes a fault is about.
func targetsOf(c *launch.Cluster, f fault.Fault) ([]string, error) {
	if len(f.Nodes) > 0 {
		for _, id := range f.Nodes {
			if _, err := c.Node(id); err != nil {
				return nil, err
			}
		}
		return f.Nodes, nil
	}
	nodes, err := c.Nodes()
	var out []string
	for _, n := range nodes {
		out = append(out, n.ID)
	}
	return out, err
}

// breakProcesses carries a fault of processes out, lets the nodes note it, and
// undoes it when its time is over: this command stays as long.
func (o *faultOptions) breakProcesses(cmd *cobra.Command, f fault.Fault) error {
	c, err := o.cluster()
	if err != nil {
		return err
	}
	ids, err := targetsOf(c, f)
	if err != nil {
		return err
	}
	st, err := o.note(cmd, f)
	if err != nil {
		return err
	}
	lasts, err := o.strike(cmd, c, f, ids)
	if err != nil {
		return err
	}
	undo := o.local.command("fault", "heal")
	if f.Kind == fault.KillAll {
		undo = o.local.command("up", "--detach")
	}
	switch {
	case !lasts:
		st.Result = fmt.Sprintf("%s: %s", f.Kind, serve(ids))
		err = o.forget(cmd.Context(), st)
	case f.For > 0:
		o.progress(cmd, "%s: %s; undone in %v, or at once by Ctrl-C", f.Kind, strings.Join(ids, ", "), f.For)
		select {
		case <-time.After(f.For):
		case <-cmd.Context().Done():
		}
		// Even after Ctrl-C.
		cmd.SetContext(context.WithoutCancel(cmd.Context()))
		if err = o.bringBack(cmd, c, ids); err == nil {
			err = o.forget(cmd.Context(), st)
		}
		st.Result = fmt.Sprintf("%s is over: %s", f.Kind, serve(ids))
	default:
		st.Result = fmt.Sprintf("%s: %s; undo it with `%s`", f.Kind, strings.Join(ids, ", "), undo)
	}
	if err != nil {
		return err
	}
	return o.print(cmd, st, func(out io.Writer) error {
		_, err := fmt.Fprintln(out, st.Result)
		return err
	})
}

// serve says that nodes do.
func serve(ids []string) string {
	if len(ids) == 1 {
		return ids[0] + " serves again"
	}
	return strings.Join(ids, ", ") + " serve again"
}

// note tells the nodes of a fault that is carried out here. None may be there to
// hear it.
func (o *faultOptions) note(cmd *cobra.Command, f fault.Fault) (kv.FaultStatus, error) {
	st, err := o.order(cmd, f, true)
	if errors.Is(err, errNoAnswer) {
		return kv.FaultStatus{Fault: f.String(), StartedMS: time.Now().UnixMilli(), Nodes: []string{}}, nil
	}
	return st, err
}

// forget tells the nodes that a fault which they noted is over. It may have ended
// there by itself.
func (o *faultOptions) forget(ctx context.Context, st kv.FaultStatus) error {
	if st.ID == "" {
		return nil
	}
	var known []kv.FaultStatus
	if _, err := o.fetch(ctx, "/v1/faults", &known); err != nil {
		return err
	}
	for _, k := range known {
		if k.ID == st.ID {
			return o.admin.order(ctx, http.MethodDelete, "/v1/faults/"+st.ID, nil, new(healed))
		}
	}
	return nil
}

// strike breaks processes. It tells whether they stay broken.
func (o *faultOptions) strike(cmd *cobra.Command, c *launch.Cluster, f fault.Fault, ids []string) (lasts bool, err error) {
	switch f.Kind {
	case fault.Pause:
		return true, each(ids, c.Pause)
	case fault.Kill, fault.KillAll:
		return true, each(ids, c.Kill)
	case fault.Wipe:
		if err := each(ids, c.Kill); err != nil {
			return true, err
		}
		return true, each(ids, func(id string) error {
			n, err := c.Node(id)
			if err == nil {
				err = os.RemoveAll(n.Dir)
			}
			return err
		})
	case fault.Restart:
		if err := each(ids, c.Kill); err != nil {
			return false, err
		}
		return false, o.bringBack(cmd, c, ids)
	case fault.RollingRestart:
		for _, id := range ids {
			n, err := c.Node(id)
			if err == nil {
				err = c.StopThose([]*launch.Process{{Node: n}}, stopGrace)
			}
			if err == nil {
				err = o.bringBack(cmd, c, []string{id})
			}
			if err != nil {
				return false, err
			}
			o.progress(cmd, "%s was restarted", id)
		}
		return false, nil
	}
	return false, fmt.Errorf("%s is not known to this program", f.Kind)
}

// each does something to nodes at the same time, as far as signals go.
func each(ids []string, do func(string) error) error {
	errs := make(chan error, len(ids))
	for _, id := range ids {
		go func() { errs <- do(id) }()
	}
	var all []error
	for range ids {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// bringBack lets nodes go on that hang and starts those that have ended, and waits
// until they serve, or run if too few others do.
func (o *faultOptions) bringBack(cmd *cobra.Command, c *launch.Cluster, ids []string) error {
	var dead []string
	for _, id := range ids {
		n, err := c.Node(id)
		if err != nil {
			return err
		}
		switch n.State() {
		case launch.Paused:
			if err := c.Resume(id); err != nil {
				return err
			}
		case launch.Dead:
			dead = append(dead, id)
		}
	}
	var processes []*launch.Process
	for _, id := range dead {
		p, err := c.Start(id)
		if err != nil {
			return err
		}
		processes = append(processes, p)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), startTimeout)
	defer cancel()
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	running := 0
	for _, n := range nodes {
		if n.State() == launch.Running {
			running++
		}
	}
	wait := c.WaitNode
	if running < nodesNeeded(len(nodes)) {
		wait = c.WaitHealthy
	}
	for _, p := range processes {
		if err := wait(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
