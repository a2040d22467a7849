package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"raftkv/kv"
)

func newHot() *cobra.Command {
	var where admin
	var top int
	cmd := &cobra.Command{
		Use:       "hot [nodes|slots|keys]",
		Short:     "Show where the load is",
		ValidArgs: []string{"nodes", "slots", "keys"},
		Long: `Show the nodes' loads, the hottest slots and the hottest keys, as the leaders
count them: operations a second, decayed with a half-life of 5 s.`,
		Example: `  raftkv hot
  raftkv hot keys --top 5
  raftkv hot nodes --json | jq '.nodes[].factor'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)(cmd, args); err != nil {
				return misuse{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if top < 1 {
				return misuse{fmt.Errorf("--top %d: it is how many slots and keys are shown", top)}
			}
			var h kv.HotStatus
			if _, err := where.fetch(cmd.Context(), fmt.Sprintf("/v1/hot?top=%d", top), &h); err != nil {
				return err
			}
			what := ""
			if len(args) == 1 {
				what = args[0]
			}
			return where.print(cmd, h, func(out io.Writer) error { return writeHot(out, h, what) })
		},
	}
	where.add(cmd.Flags())
	cmd.Flags().IntVar(&top, "top", 10, "how many slots and keys")
	return cmd
}

// writeHot prints one part, or all if what is "".
func writeHot(out io.Writer, h kv.HotStatus, what string) error {
	parts := []struct {
		name  string
		print func(w io.Writer)
	}{
		{"nodes", func(w io.Writer) {
			fmt.Fprintln(w, "NODE\tOPS/S\tX MEAN")
			for _, n := range h.Nodes {
				fmt.Fprintf(w, "%s\t%.0f\t%.2f\n", n.Node, n.Ops, n.Factor)
			}
		}},
		{"slots", func(w io.Writer) {
			fmt.Fprintln(w, "SLOT\tGROUP\tNODE\tREADS/S\tWRITES/S\tKEYS")
			for _, s := range h.Slots {
				fmt.Fprintf(w, "%d\t%d\t%s\t%.0f\t%.0f\t%d\n", s.Slot, s.Group, s.Node, s.Reads, s.Writes, s.Keys)
			}
		}},
		{"keys", func(w io.Writer) {
			fmt.Fprintln(w, "KEY\tSLOT\tNODE\tOPS/S")
			for _, k := range h.Keys {
				fmt.Fprintf(w, "%.60q\t%d\t%s\t%.0f\n", k.Key, k.Slot, k.Node, k.Ops)
			}
		}},
	}
	first := true
	for _, p := range parts {
		if what != "" && what != p.name {
			continue
		}
		if !first {
			fmt.Fprintln(out)
		}
		first = false
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		p.print(w)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
