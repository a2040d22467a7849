package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"raftkv/kv/fault"
	"raftkv/kv/launch"
)

// healed is the JSON of `raftkv fault heal`.
type healed struct {
	Healed []string `json:"healed"` // lines of faults
	Nodes  []string `json:"nodes"`  // that were started or resumed
}

func newFaultHeal() *cobra.Command {
	var o faultOptions
	cmd := &cobra.Command{
		Use:   "heal [ID]",
		Short: "End a fault, or all of them",
		Long: `End a fault, or all of them. Nodes that hang or were killed by a fault go on or are
started, and it is waited until they serve.`,
		Example: "  raftkv fault heal\n  raftkv fault heal 3f9a01",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := healed{Healed: []string{}, Nodes: []string{}}
			c, err := o.cluster()
			if err != nil && !errors.Is(err, launch.ErrNoCluster) {
				return err
			}
			if c != nil && len(args) == 0 {
				if out.Nodes, err = resumeAll(c); err != nil {
					return err
				}
			}
			path := "/v1/faults"
			if len(args) > 0 {
				path += "/" + args[0]
			}
			if err := o.admin.order(cmd.Context(), http.MethodDelete, path, nil, &out); err != nil {
				return err
			}
			if c != nil {
				nodes, err := o.revive(cmd, c, out.Healed)
				if err != nil {
					return err
				}
				out.Nodes = append(out.Nodes, nodes...)
			}
			return o.print(cmd, out, func(w io.Writer) error {
				for _, line := range out.Healed {
					fmt.Fprintf(w, "healed: %s\n", line)
				}
				for _, id := range out.Nodes {
					fmt.Fprintf(w, "%s runs again\n", id)
				}
				if len(out.Healed)+len(out.Nodes) == 0 {
					fmt.Fprintln(w, "no fault was active")
				}
				return nil
			})
		},
	}
	o.add(cmd.Flags())
	return cmd
}

// resumeAll lets all nodes go on that hang: a node that does cannot be asked.
func resumeAll(c *launch.Cluster) ([]string, error) {
	resumed := []string{}
	nodes, err := c.Nodes()
	for _, n := range nodes {
		if n.State() != launch.Paused {
			continue
		}
		if err := c.Resume(n.ID); err != nil {
			return resumed, err
		}
		resumed = append(resumed, n.ID)
	}
	return resumed, err
}

// revive starts and resumes the nodes that the healed faults had ended or paused.
func (o *faultOptions) revive(cmd *cobra.Command, c *launch.Cluster, lines []string) ([]string, error) {
	var down []string
	for _, line := range lines {
		f, err := fault.Parse(line)
		if err != nil || !f.OfProcess() {
			continue
		}
		nodes, err := targetsOf(c, f)
		if err != nil {
			return nil, err
		}
		down = append(down, nodes...)
	}
	slices.Sort(down)
	var revived []string
	for _, id := range slices.Compact(down) {
		n, err := c.Node(id)
		if err != nil {
			return revived, err
		}
		if n.State() == launch.Running {
			continue
		}
		if err := o.bringBack(cmd, c, []string{id}); err != nil {
			return revived, err
		}
		revived = append(revived, id)
	}
	return revived, nil
}
