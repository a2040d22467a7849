package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func newDown() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Stop a local cluster; its data stays",
		Example: "  raftkv down\n  raftkv down --data demo",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := openCluster(data, "")
			if err != nil {
				return err
			}
			n, err := c.Stop(stopGrace)
			if err != nil {
				return err
			}
			if n == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "nothing of %s runs\n", c.Dir())
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "stopped %d nodes; `raftkv up` resumes them\n", n)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the cluster's folder")
	return cmd
}

// absolute returns path as absolute, or as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// cutLast splits s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
