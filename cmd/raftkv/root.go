package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitFailure = 1
	exitMisuse  = 2
)

// misuse marks an error of the command line itself.
type misuse struct{ error }

// run executes the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "raftkv:", err)
	var wrong misuse
	if errors.As(err, &wrong) || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(stderr, "Run '%s --help' for what it takes.\n", cmd.CommandPath())
		return exitMisuse
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "raftkv",
		Short: "A sharded, linearizable key/value store on Raft that speaks the Redis protocol",
		Long: `raftkv is a linearizable key/value store on Raft that speaks the Redis protocol.

Every flag can also be given as environment variable: --redis-port is
RAFTKV_REDIS_PORT. The flag wins.`,
		Example: `  raftkv up                               # three nodes on this machine
  redis-cli -c -p 7001 set greeting hello
  raftkv status
  raftkv node kill n1                     # and see who leads now`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServe(), newUp(), newDown(), newStatus(), newNode(), newDump(), newVersion())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) }
	return root
}

// fromEnvironment fills in flags that were not given from RAFTKV_* variables.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "RAFTKV_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || f.Changed || failed != nil || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = misuse{fmt.Errorf("%s=%s: %w", name, value, err)}
		}
	})
	return failed
}

// noArgs refuses positional arguments, as misuse.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuse{fmt.Errorf("%s takes no argument %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

// exactArgs asks for named arguments, as misuse if there are others.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return misuse{fmt.Errorf("%s takes %s", cmd.CommandPath(), strings.Join(names, " "))}
		}
		return nil
	}
}
