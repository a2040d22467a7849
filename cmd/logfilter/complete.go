package main

import (
	"github.com/spf13/cobra"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/show"
	"raftkv/kv/eventlog"
)

// complete tells shells what can be typed. `logfilter completion bash` prints
// what a shell needs for it; zsh and fish likewise.
func (o *options) complete(cmd *cobra.Command) {
	for flag, words := range map[string][]string{
		"level":  event.LevelNames(),
		"topic":  eventlog.Topics(),
		"time":   show.ClockModes(),
		"color":  {"auto", "always", "never"},
		"format": format.Names(),
	} {
		mustComplete(cmd, flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words, cobra.ShellCompDirectiveNoFileComp
		})
	}
	mustComplete(cmd, "node", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		logs, err := o.logs(args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		known, err := look(logs, o.format)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return known.nodes, cobra.ShellCompDirectiveNoFileComp
	})
}

// mustComplete fails only for a flag that does not exist: a slip in this program,
// which each of its tests would meet.
func mustComplete(cmd *cobra.Command, flag string, words cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, words); err != nil {
		panic(err)
	}
}
