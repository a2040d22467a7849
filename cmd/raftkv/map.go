package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"raftkv/shard"
)

func newMap() *cobra.Command {
	var where askedNode
	var epoch uint64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Show the shard map: who owns which slots, where replicas lie",
		Long: `Show the shard map: which group owns which slots, and on which nodes its replicas
lie. Every change makes a new map with the next epoch; earlier ones still answer.`,
		Example: `  raftkv map
  raftkv map --epoch 1
  raftkv map --json | jq '.groups[] | {id, slots}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/v1/map"
			if cmd.Flags().Changed("epoch") {
				path += fmt.Sprint("?epoch=", epoch)
			}
			m := new(shard.Map)
			raw, err := where.fetch(cmd.Context(), path, m)
			if err != nil {
				return err
			}
			if asJSON {
				_, err := cmd.OutOrStdout().Write(raw)
				return err
			}
			return printMap(cmd.OutOrStdout(), m)
		},
	}
	f := cmd.Flags()
	where.add(f)
	f.Uint64Var(&epoch, "epoch", 0, "the map of this epoch instead of the newest")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printMap shows a map as tables.
func printMap(out io.Writer, m *shard.Map) error {
	fmt.Fprintf(out, "epoch %d\n\n", m.Epoch)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tREDIS\tHTTP\tPEER")
	for _, n := range m.Nodes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", n.ID, n.State, n.Redis, n.HTTP, n.Peer)
	}
	t.Flush()
	fmt.Fprintln(out)
	fmt.Fprintln(t, "GROUP\tREPLICAS\tSLOTS")
	for _, g := range m.Groups {
		var replicas, slots []string
		for _, r := range g.Replicas {
			text := r.ID
			if !r.Voter {
				text += " (no vote)"
			}
			replicas = append(replicas, text)
		}
		for _, r := range m.SlotsOf(g.ID) {
			slots = append(slots, r.String())
		}
		if len(slots) == 0 {
			slots = []string{"-"}
		}
		fmt.Fprintf(t, "%d\t%s\t%s\n", g.ID, strings.Join(replicas, " "), strings.Join(slots, ","))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, x := range m.Migrations {
		fmt.Fprintf(out, "\n%s\n", migrationText(x))
	}
	return nil
}
