package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"raftkv/cmd/logfilter/show"
)

// Exit codes, those of grep.
const (
	exitFound   = 0
	exitNothing = 1
	exitTrouble = 2
)

// errNothing is what a command returns that found nothing.
var errNothing = errors.New("nothing matched")

// misuse marks an error of the command line itself.
type misuse struct{ error }

// streams are the program's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes the program and returns its exit code.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil || show.IsBrokenPipe(err):
		return exitFound
	case errors.Is(err, errNothing):
		return exitNothing
	}
	fmt.Fprintln(std.err, "logfilter:", err)
	if wrong := (misuse{}); errors.As(err, &wrong) {
		fmt.Fprintf(std.err, "Run '%s --help' for what it takes.\n", cmd.CommandPath())
	}
	return exitTrouble
}

const longHelp = `logfilter merges the logs of all nodes into one story and shows the part that
matters.

It reads raftkv's JSON lines, other JSON lines, logfmt, hclog's text, lines with a
date in front, and those of MIT course projects; which one, it finds out. A folder
means every node's log in it, rotated and compressed (.gz, .zst) ones too; "-" is
standard input. Without an argument it reads the local cluster's (--data).

Conditions are joined by "and". --since and --until take a time ("12:01:07.5",
"2024-05-06T12:01:07Z"), a time before the end ("10s") or after the beginning of
the logs ("+10s").

An expression (-q) knows the fields time, level, node, topic, group, term, index,
msg, raw (the whole line), and all others by their names; ==, !=, <, <=, >, >=, in, contains,
startsWith, endsWith, matches, and, or, not. Levels compare by severity, texts
such as "1.5ms" by length of time. What compares a field that a line lacks is false.

It exits with 0 if something matched, 1 if nothing did, 2 if something is wrong.`

const rootExamples = `  logfilter                                    # the local cluster's story
  logfilter -f --level warn                    # what goes wrong, as it happens
  logfilter --since 10s --topic vote,leader --columns
  logfilter --group 3 --term 5.. --index 100..200 raftkv-data
  logfilter --grep 'lost leadership' -C 5 n1.log n2.log.gz
  logfilter -q 'level >= "warn" and (term > 4 or msg contains "timeout")'
  logfilter --stats --node n1
  kubectl logs raft-0 | logfilter --field node=pod -
  logfilter --pattern '^(?P<time>\S+) (?P<node>\w+)/(?P<group>\d+) (?P<msg>.*)' my.log
  logfilter raft --diff n1/groups/1 n2/groups/1 # where do two raft logs differ?`

func newRoot(std streams) *cobra.Command {
	o := newOptions()
	cmd := &cobra.Command{
		Use:           "logfilter [flags] [FILE|DIR|-]...",
		Short:         "See what a cluster did",
		Long:          longHelp,
		Example:       rootExamples,
		Args:          cobra.ArbitraryArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"trace", "diagram"} {
				if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
					return misuse{fmt.Errorf("--%s has no value: an empty variable?", name)}
				}
			}
			return o.run(cmd.Context(), args, std)
		},
	}
	o.add(cmd)
	cmd.AddCommand(newRaft(std), newSnapshot(std))
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	return cmd
}
