package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"raftkv/kv"
)

// balanceStatus is the JSON of `raftkv balance status`.
type balanceStatus struct {
	On         bool           `json:"on"`
	Epoch      uint64         `json:"epoch"`
	Migrations []kv.Migration `json:"migrations"` // under way
}

func newBalanceStatus() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the balancer is on, and the migrations under way",
		Example: `  raftkv balance status
  raftkv balance status --json | jq .on`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := where.shardMap(cmd.Context())
			if err != nil {
				return err
			}
			s := balanceStatus{On: m.Balance, Epoch: m.Epoch, Migrations: []kv.Migration{}}
			if _, err := where.fetch(cmd.Context(), "/v1/migrations", &s.Migrations); err != nil {
				return err
			}
			return where.print(cmd, s, func(out io.Writer) error {
				fmt.Fprintf(out, "the balancer is %s\n", onOff(s.On))
				return printMigrations(out, s.Migrations)
			})
		},
	}
	where.add(cmd.Flags())
	return cmd
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
