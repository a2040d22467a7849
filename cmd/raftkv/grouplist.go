package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"raftkv/shard"
)

// listedGroup is what `raftkv group list` tells of a group.
type listedGroup struct {
	ID       uint32          `json:"id"`
	Leader   string          `json:"leader"` // node id; "" if there is none now
	Founded  bool            `json:"founded"`
	Replicas []shard.Replica `json:"replicas"`
	Slots    []shard.Range   `json:"slots"`
	Count    int             `json:"slot_count"`
	Keys     int64           `json:"keys"`
}

func newGroupList() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show all groups: leader, replicas, slots, keys",
		Example: `  raftkv group list
  raftkv group list --json | jq '.[] | {id, leader, slot_count}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := where.look(cmd.Context())
			if err != nil {
				return err
			}
			groups := listGroups(v)
			return where.print(cmd, groups, func(out io.Writer) error { return printGroups(out, groups) })
		},
	}
	where.add(cmd.Flags())
	return cmd
}

func listGroups(v view) []listedGroup {
	out := []listedGroup{}
	for _, g := range v.m.Groups {
		l := listedGroup{ID: g.ID, Leader: v.leader(g.ID), Founded: g.Founded, Replicas: g.Replicas, Slots: []shard.Range{}}
		l.Slots = append(l.Slots, v.m.SlotsOf(g.ID)...)
		l.Count = slotCount(l.Slots)
		for _, s := range v.status.Groups {
			if s.ID == g.ID {
				l.Keys = s.Keys
			}
		}
		out = append(out, l)
	}
	return out
}

func printGroups(out io.Writer, groups []listedGroup) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tLEADER\tREPLICAS ON\tKEYS\tSLOTS\tRANGES")
	for _, g := range groups {
		var nodes []string
		for _, r := range g.Replicas {
			text := r.Node
			if !r.Voter {
				text += " (no vote)"
			}
			nodes = append(nodes, text)
		}
		leader, ranges := g.Leader, shard.FormatRanges(g.Slots)
		if leader == "" {
			leader = "none"
		}
		switch {
		case g.ID == shard.Controller:
			ranges = "holds the shard map"
		case ranges == "":
			ranges = "-"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%d\t%d\t%s\n", g.ID, leader, strings.Join(nodes, ","), g.Keys, g.Count, ranges)
	}
	return t.Flush()
}
