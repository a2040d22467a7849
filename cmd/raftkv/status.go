package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/shard"
)

func newStatus() *cobra.Command {
	var where askedNode
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show nodes, groups, leaders and replicas",
		Example: `  raftkv status
  raftkv status --addr 127.0.0.1:8002
  raftkv status --json | jq '.groups[0].leader'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var status kv.Status
			raw, err := where.fetch(cmd.Context(), "/v1/status", &status)
			if err != nil {
				return err
			}
			if asJSON {
				_, err := cmd.OutOrStdout().Write(raw)
				return err
			}
			return printStatus(cmd.OutOrStdout(), status, time.Now())
		},
	}
	f := cmd.Flags()
	where.add(f)
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printStatus shows status as tables.
func printStatus(out io.Writer, s kv.Status, now time.Time) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tREDIS\tHTTP\tPEER\tPID\tUP\tMEMORY\tDISK")
	for _, n := range s.Nodes {
		if n.State != kv.NodeUp {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t-\t-\t-\t-\n", n.ID, n.State, n.Redis, n.HTTP, n.Peer)
			continue
		}
		up := (time.Duration(n.UptimeMS) * time.Millisecond).Truncate(time.Second)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%v\t%s\t%s\n", n.ID, n.State, n.Redis, n.HTTP, n.Peer, n.PID, up, bytesText(n.Memory), bytesText(n.Disk))
	}
	for _, g := range s.Groups {
		leader := g.Leader
		if leader == "" {
			leader = "none"
		}
		slots := "no slots"
		ranges := make([]string, len(g.Slots))
		for i, r := range g.Slots {
			ranges[i] = r.String()
		}
		switch {
		case g.ID == shard.Controller:
			slots = "holds the shard map"
		case len(ranges) > 0:
			slots = "slots " + strings.Join(ranges, ",")
		}
		t.Flush()
		fmt.Fprintf(out, "\ngroup %d: leader %s, term %d, epoch %d, %s, %d keys\n", g.ID, leader, g.Term, s.Epoch, slots, g.Keys)
		fmt.Fprintln(t, "REPLICA\tROLE\tAPPLIED\tCOMMIT\tLAST\tMATCH\tSTATE\tLOG\tSNAPSHOT")
		for _, r := range g.Replicas {
			if r.Role == kv.RoleUnknown {
				fmt.Fprintf(t, "%s\t%s\t-\t-\t-\t%s\t-\t-\t-\n", r.Node, r.Role, matchText(r))
				continue
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", r.Node, r.Role, r.Applied, r.Commit, r.Last, matchText(r),
				bytesText(r.Bytes), bytesText(r.LogBytes), snapshotText(r.Snapshot, now))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(s.Faults) > 0 {
		fmt.Fprintln(out)
		if err := printFaults(out, s.Faults, now); err != nil {
			return err
		}
	}
	for _, n := range s.Nodes {
		if n.Problem != "" {
			fmt.Fprintf(out, "\n%s: %s\n", n.ID, n.Problem)
		}
	}
	return nil
}

func matchText(r kv.ReplicaStatus) string {
	if r.Match == 0 {
		return "-"
	}
	return fmt.Sprint(r.Match)
}

func snapshotText(s kv.SnapshotStatus, now time.Time) string {
	if s.Index == 0 {
		return "none"
	}
	age := now.Sub(time.UnixMilli(s.AtMS)).Truncate(time.Second)
	return fmt.Sprintf("at %d, %s, %v ago", s.Index, bytesText(s.Bytes), age)
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
