package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newDump() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Decode a raft log or a snapshot",
		Example: `  raftkv dump log raftkv-data/n1/groups/1
  raftkv dump snapshot raftkv-data/n1/groups/1/snapshots/*/state.snap`,
	}
	family(cmd,
		dumpKind("log", "Decode a raft log, of a running node too",
			"a group's folder, a segment (.wal) or a boltdb file (log.db)",
			"  raftkv dump log raftkv-data/n1/groups/1\n  raftkv dump log raftkv-data/n1/groups/1 --json | jq .commands", dumpLog),
		dumpKind("snapshot", "Decode a snapshot and check that it is whole", "state.snap of a snapshot",
			"  raftkv dump snapshot raftkv-data/n1/groups/1/snapshots/*/state.snap", dumpSnapshot),
	)
	return cmd
}

func dumpKind(name, short, what, example string, dump func(path string, out printer) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     name + " FILE",
		Short:   short,
		Long:    short + ". FILE is " + what + ".",
		Example: example,
		Args:    exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := bufio.NewWriter(cmd.OutOrStdout())
			out := printer{w: w, json: asJSON}
			err := dump(args[0], out)
			if flushErr := w.Flush(); err == nil {
				err = flushErr
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return cmd
}

// printer writes what is decoded as text or as JSON lines.
type printer struct {
	w    io.Writer
	json bool
}

// print writes what is decoded; what has no JSON is for people alone.
func (p printer) print(text string, object any) error {
	if !p.json {
		_, err := fmt.Fprintln(p.w, text)
		return err
	}
	if object == nil {
		return nil
	}
	return json.NewEncoder(p.w).Encode(object)
}
