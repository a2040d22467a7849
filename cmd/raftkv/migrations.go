package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"raftkv/kv"
)

func newMigrations() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrations",
		Short: "Show the migrations that are under way, or cancel one",
		Example: `  raftkv migrations
  raftkv migrations list --json | jq '.[].slots'
  raftkv migrations cancel 41`,
	}
	list := newMigrationsList()
	family(cmd, list, newMigrationsCancel())
	cmd.Flags().AddFlagSet(list.Flags()) // alone, it lists
	cmd.RunE = list.RunE
	return cmd
}

func newMigrationsList() *cobra.Command {
	var where admin
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the migrations that are under way",
		Example: `  raftkv migrations list
  raftkv migrations list --json | jq '.[].slots'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			migrations := []kv.Migration{}
			if _, err := where.fetch(cmd.Context(), "/v1/migrations", &migrations); err != nil {
				return err
			}
			return where.print(cmd, migrations, func(out io.Writer) error { return printMigrations(out, migrations) })
		},
	}
	where.add(cmd.Flags())
	return cmd
}

func printMigrations(out io.Writer, migrations []kv.Migration) error {
	if len(migrations) == 0 {
		_, err := fmt.Fprintln(out, "no migrations are under way")
		return err
	}
	for _, x := range migrations {
		text := migrationText(x.Migration)
		if x.Progress != nil {
			text += fmt.Sprintf("; %v after %v", x.Progress, elapsed(*x.Progress))
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return nil
}
