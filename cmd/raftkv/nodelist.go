package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"raftkv/shard"
)

// listedNode is what `raftkv node list` tells of a node.
type listedNode struct {
	ID       string `json:"id"`
	State    string `json:"state"` // active, draining or dead
	Draining bool   `json:"draining"`
	Redis    string `json:"redis"`
	HTTP     string `json:"http"`
	Peer     string `json:"peer"`
	Group0   string `json:"group0"`   // its part in the controller's group: leads, votes, copy or none
	Replicas int    `json:"replicas"` // of groups with slots: those of group 0 do not count
	Leads    int    `json:"leads"`    // such groups
	Slots    int    `json:"slots"`    // of the groups that it leads
}

const stateDead = "dead"

func newNodeList() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show all nodes: state, addresses, replicas, and what they lead",
		Long: `Show all nodes of the cluster. A node is active, draining (its replicas and
leaderships move elsewhere) or dead (it does not answer the node that was asked).

Every node keeps the shard map, which is group 0: GROUP0 tells whether the node
leads that group, votes in it, or has a copy without a vote. REPLICAS, LEADS and
SLOTS are of the other groups.`,
		Example: `  raftkv node list
  raftkv node list --addr 127.0.0.1:8002
  raftkv node list --json | jq '.[] | select(.state != "active")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := where.look(cmd.Context())
			if err != nil {
				return err
			}
			nodes := listNodes(v)
			return where.print(cmd, nodes, func(out io.Writer) error { return printNodes(out, nodes) })
		},
	}
	where.add(cmd.Flags())
	return cmd
}

func listNodes(v view) []listedNode {
	out := []listedNode{}
	for _, n := range v.m.Nodes {
		l := listedNode{Group0: "none", ID: n.ID, State: string(n.State), Draining: n.State == shard.Draining, Redis: n.Redis, HTTP: n.HTTP, Peer: n.Peer}
		if !v.answers(n.ID) {
			l.State = stateDead
		}
		for i := range v.m.Groups {
			g := &v.m.Groups[i]
			if g.ID == shard.Controller {
				l.Group0 = v.part(g, n.ID)
				continue
			}
			if g.On(n.ID) != nil {
				l.Replicas++
			}
			if v.leader(g.ID) == n.ID {
				l.Leads++
				l.Slots += slotCount(v.m.SlotsOf(g.ID))
			}
		}
		out = append(out, l)
	}
	return out
}

// part tells what a node is in a group.
func (v view) part(g *shard.Group, node string) string {
	switch r := g.On(node); {
	case r == nil:
		return "none"
	case v.leader(g.ID) == node:
		return "leads"
	case r.Voter:
		return "votes"
	}
	return "copy"
}

func printNodes(out io.Writer, nodes []listedNode) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tREDIS\tHTTP\tPEER\tGROUP0\tREPLICAS\tLEADS\tSLOTS")
	for _, n := range nodes {
		state := n.State
		if state == stateDead && n.Draining {
			state = "dead, draining"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", n.ID, state, n.Redis, n.HTTP, n.Peer, n.Group0, n.Replicas, n.Leads, n.Slots)
	}
	return t.Flush()
}
