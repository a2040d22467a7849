package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
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
	if v := (verdict{}); errors.As(err, &v) {
		return v.code
	}
	if wrong := (misuse{}); errors.As(err, &wrong) {
		fmt.Fprintf(stderr, "Run '%s --help' for what it takes.\n", cmd.CommandPath())
		return exitMisuse
	}
	return exitFailure
}

// subcommands lists what the program can do, one file each.
func subcommands() []*cobra.Command {
	return []*cobra.Command{
		newServe(), newUp(), newDown(), newStatus(), newMap(), newNode(),
		newGroup(), newSlots(), newMigrations(), newLeader(), newBalance(), newHot(), newEvents(), newFault(), newCheck(), newDump(), newBench(), newCert(), newVersion(),
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "raftkv",
		Short: "A sharded, linearizable key/value store on Raft that speaks the Redis protocol",
		Long:  "raftkv is a linearizable key/value store on Raft that speaks the Redis protocol.",
		Example: `  raftkv up                               # three nodes on this machine
  redis-cli -c -p 7001 set greeting hello
  raftkv status
  raftkv node kill n1                     # and see who leads now`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	family(root, subcommands()...)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{flagError(err)} })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) }
	root.SetUsageTemplate(root.UsageTemplate() + environmentHelp)
	return root
}

// family makes cmd a command that only has sub-commands: alone it shows its help,
// and an unknown one is misuse.
func family(cmd *cobra.Command, members ...*cobra.Command) {
	cmd.AddCommand(members...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return misuse{errors.New(text)}
	}
	cmd.SuggestionsMinimumDistance = 2
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
