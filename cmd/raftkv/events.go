package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"raftkv/kv"
)

func newEvents() *cobra.Command {
	var where admin
	var follow bool
	var since string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what the cluster decided and why, and what happened to it",
		Long: `Show what the cluster decided, each with its reason, and what happened to it: slots
and replicas that move, groups and nodes that come and go, who leads, who is silent.
Any node is asked; with --follow another one if that one dies. Changes of the shard
map are kept for good, some thousand by each node; all else until the nodes end.`,
		Example: `  raftkv events
  raftkv events --follow
  raftkv events --json | jq -r 'select(.kind == "start-migration") | .reason'
  raftkv events --follow --since 41.12884901893`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since != "" && since != "now" {
				if _, err := kv.ParseEventPosition(since); err != nil {
					return misuse{err}
				}
			}
			web, err := where.web()
			if err != nil {
				return err
			}
			reader := eventReader{addrs: where.addrs, web: web, at: since}
			show := func(e kv.Event) error { return where.event(cmd.OutOrStdout(), e) }
			if follow {
				return reader.follow(cmd.Context(), show)
			}
			addrs, err := where.addrs()
			if err != nil {
				return err
			}
			var errs []error
			for _, addr := range addrs {
				if err = reader.read(cmd.Context(), addr, false, show); err == nil {
					return nil
				}
				errs = append(errs, err)
			}
			return noAnswer(errs)
		},
	}
	where.add(cmd.Flags())
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what comes, until Ctrl-C")
	cmd.Flags().StringVar(&since, "since", "", "the id of the last event that is known, or now; default: all that is kept")
	return cmd
}

// event prints an event: a line of text, or of JSON.
func (a *admin) event(out io.Writer, e kv.Event) error {
	if !a.json {
		_, err := fmt.Fprintln(out, eventLine(e))
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(e)
}

// eventLine is an event for a person, in the time of the place.
func eventLine(e kv.Event) string {
	return e.Time.Local().Format("15:04:05") + " " + e.String()
}
