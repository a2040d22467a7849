package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/kv/check"
	"raftkv/kv/history"
	"raftkv/kv/launch"
)

// Exit codes of check beside 0, when nothing is wrong. That it could not judge is
// told like misuse: there is no verdict.
const exitUndecided = exitMisuse

// verdict is a result other than correct, as an error with an exit code.
type verdict struct {
	code int
	text string
}

func (v verdict) Error() string { return v.text }

// checkOptions are the flags of check.
type checkOptions struct {
	admin
	config  check.Config
	faults  []string
	works   []string
	history string
	quiet   bool
	leaders bool // are read alone
}

func newCheck() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Break a running cluster and prove that it stays correct",
		Long: `Let clients work on a few keys of a running cluster, inject faults meanwhile, heal
them, and judge what the clients have seen: whether one order of all operations
explains every answer (linearizability, by Porcupine), whether anything was done
twice or got lost, whether replicas are equal, and whether the cluster serves again
soon.

Faults need a cluster that 'raftkv up' has started. Those of a node's links, disk and
clock work with --addr, too, if its nodes run with --enable-faults.

Ctrl-C ends the work, heals the faults and judges what there is. The exit code is
the verdict: 0 nothing is wrong, 1 something is, 2 it could not be judged.

The history is a file of JSON lines, an operation each; kv/history/README.md tells
what they hold. --history judges such a file again.`,
		Example: `  raftkv check                                    # 30 s of all faults
  raftkv check --faults kill,pause --for 5m --seed 7
  raftkv check --faults 'pause LEADER'            # that alone, again and again
  raftkv check --faults 'split n1,n2 n3; kill'    # a line with commas, and a class
  raftkv check --faults 'snapshot-storm every 200ms + kill LEADER'
  raftkv check --workloads counter,session --faults kill --migrations
  raftkv check --faults none --addr 127.0.0.1:8001
  raftkv check --history raftkv-check/history.jsonl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := o.run(cmd)
			if err != nil {
				return err
			}
			if err := o.print(cmd, report, func(out io.Writer) error { return printReport(out, report) }); err != nil {
				return err
			}
			switch report.Result {
			case history.Violated:
				return verdict{exitFailure, "the cluster broke its promises"}
			case history.Undecided:
				return verdict{exitUndecided, "there is no verdict"}
			}
			return nil
		},
	}
	o.add(cmd.Flags())
	f := cmd.Flags()
	f.DurationVar(&o.config.For, "for", 30*time.Second, "how long clients work and faults come")
	f.StringArrayVar(&o.faults, "faults", []string{"all"}, "classes of faults: "+check.ClassNames()+"; all or none; or lines of 'raftkv fault', in which LEADER and NODE stand for nodes. Several are separated by commas, or by semicolons if a line holds commas; the flag may be repeated. Lines joined by ' + ' come together")
	f.StringSliceVar(&o.works, "workloads", []string{"all"}, "what clients do: "+check.WorkloadNames()+"; or all")
	f.BoolVar(&o.config.Moves, "migrations", false, "move slots of the keys in use between groups all the time, beside the faults")
	f.Uint64Var(&o.config.Seed, "seed", 0, "decides which faults come and what clients do; 0: another one each time")
	f.IntVar(&o.config.Clients, "clients", 10, "how many clients work at the same time")
	f.IntVar(&o.config.Keys, "keys", 3, "how many sets of keys they share")
	f.DurationVar(&o.config.Window, "window", 10*time.Second, "after what time they go on to new keys, and what they saw of the old ones is judged")
	f.DurationVar(&o.config.Within, "within", 30*time.Second, "how soon the cluster must serve again when all faults are healed")
	f.DurationVar(&o.config.Patience, "patience", time.Minute, "how long to search for an order of the operations on a set of keys")
	f.StringVar(&o.config.Out, "out", "raftkv-check", "folder for the history, the report, and what is wrong")
	f.StringVar(&o.history, "history", "", "judge this file again instead of a cluster")
	f.DurationVar(&o.config.Gap, "gap", 800*time.Millisecond, "how long it is between two faults, on average")
	f.DurationVar(&o.config.Think, "think", 2*time.Millisecond, "how long a client rests between two operations, on average")
	f.BoolVar(&o.leaders, "leader-reads", false, "read from leaders alone; as --workloads without follower")
	f.BoolVar(&o.config.StopEarly, "stop-early", false, "end when something wrong is found")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
	return cmd
}

func (o *checkOptions) run(cmd *cobra.Command) (*check.Report, error) {
	if o.history != "" {
		report, err := judgeFile(o.history, o.config.Patience)
		if err != nil {
			return nil, verdict{exitUndecided, err.Error()}
		}
		return report, nil
	}
	c := &o.config
	var err error
	if c.Classes, err = check.ParseClasses(o.faults); err != nil {
		return nil, misuse{err}
	}
	if c.Workloads, err = check.ParseWorkloads(o.works); err != nil {
		return nil, misuse{err}
	}
	if o.leaders {
		c.Workloads = slices.DeleteFunc(c.Workloads, func(w check.Workload) bool { return w == check.Followers })
		if len(c.Workloads) == 0 {
			return nil, misuse{errors.New("--leader-reads leaves nothing of --workloads follower")}
		}
	}
	if c.Seed == 0 {
		c.Seed = 1 + rand.Uint64N(1_000_000)
	}
	c.Password = os.Getenv(passwordVariable)
	if err := o.find(cmd.Context()); err != nil {
		return nil, verdict{exitUndecided, err.Error()}
	}
	if !o.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "checking %s for %v, seed %d, faults: %s\n", count(len(c.Redis), "node"), c.For, c.Seed, faultsText(c.Classes))
		c.Progress = func(p check.Progress) { printCheckProgress(cmd.ErrOrStderr(), p) }
	}
	report, err := check.Run(cmd.Context(), *c)
	if err != nil {
		return nil, verdict{exitUndecided, err.Error()}
	}
	return report, nil
}

// find fills in where the cluster is, and how to break it.
func (o *checkOptions) find(ctx context.Context) error {
	var status kv.Status
	if _, err := o.fetch(ctx, "/v1/status", &status); err != nil {
		return err
	}
	c := &o.config
	for _, n := range status.Nodes {
		c.Redis, c.HTTP = append(c.Redis, n.Redis), append(c.HTTP, n.HTTP)
	}
	if len(c.Classes) == 0 {
		c.Breaker = check.NewBreaker(nil, c.HTTP, c.Password) // for migrations
		return nil
	}
	var local *launch.Cluster
	if o.addr == "" {
		var err error
		if local, err = o.local.open(c.Password); err != nil {
			return err
		}
		if _, err = local.Nodes(); errors.Is(err, launch.ErrNoCluster) {
			local = nil
		} else if err != nil {
			return err
		}
	}
	if local == nil {
		c.Classes = check.WithoutProcesses(c.Classes)
	}
	c.Breaker = check.NewBreaker(local, c.HTTP, c.Password)
	if err := c.Breaker.Enabled(ctx); err != nil {
		return fmt.Errorf("faults cannot be injected, so take --faults none or other nodes: %w", err)
	}
	return nil
}

func judgeFile(path string, patience time.Duration) (*check.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ops, err := history.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return check.Rejudge(ops, patience), nil
}
