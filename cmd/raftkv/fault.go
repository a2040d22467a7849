package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/kv/fault"
)

func newFault() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Break a running cluster on purpose: links, disks, clocks, processes",
		Long: `Break a running cluster on purpose, for a while (--for) or until 'raftkv fault heal'.

The cluster must have been started by 'raftkv up', or its nodes by 'raftkv serve
--enable-faults'; orders are taken from this machine, or with the password. Links
are broken between nodes, never those of clients. What is active shows in 'raftkv
status' and in the nodes' logs (topic fault).

The same lines can be sent as the Redis command RAFTKV.FAULT, "RAFTKV.FAULT CUT n1
n2 FOR 10s", and over HTTP: curl -d '{"fault":"cut n1 n2","for":"10s"}'
http://127.0.0.1:8001/v1/faults; DELETE heals, GET lists.`,
		Example: `  raftkv fault isolate-leader --for 10s
  raftkv fault cut n1 n2 one-way
  raftkv fault slow-fsync n2 200ms --for 1m
  raftkv fault list
  raftkv fault heal`,
	}
	members := []*cobra.Command{newFaultList(), newFaultHeal()}
	for _, k := range fault.Kinds() {
		members = append(members, newFaultKind(k))
	}
	family(cmd, members...)
	return cmd
}

// faultOptions are the flags of the commands that break something.
type faultOptions struct {
	admin
	duration time.Duration
	seed     uint64
}

// newFaultKind makes the command of one kind of fault.
func newFaultKind(k fault.Help) *cobra.Command {
	var o faultOptions
	cmd := &cobra.Command{
		Use:     string(k.Kind) + strings.Repeat(" ...", min(1, strings.Count(k.Example, " "))),
		Short:   strings.ToUpper(k.Meaning[:1]) + k.Meaning[1:],
		Example: fmt.Sprintf("  raftkv fault %s\n  raftkv fault %s --for 10s", k.Example, k.Example),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := fault.ParseWords(append([]string{string(k.Kind)}, args...))
			if err != nil {
				return misuse{err}
			}
			if o.duration < 0 {
				return misuse{fmt.Errorf("--for %v: want a time such as 10s", o.duration)}
			}
			if cmd.Flags().Changed("for") {
				f.For = o.duration
			}
			if cmd.Flags().Changed("seed") {
				f.Seed = o.seed
			}
			if f.OfProcess() {
				return o.breakProcesses(cmd, f)
			}
			st, err := o.order(cmd, f, false)
			if err != nil {
				return err
			}
			return o.say(cmd, st, "%s", begun(st))
		},
	}
	if k.Kind == fault.Clock {
		cmd.Example += "\n  raftkv fault clock n3 --for 10s -- -1h"
	}
	o.add(cmd.Flags())
	cmd.Flags().DurationVar(&o.duration, "for", 0, "undo it after this time; 0: not before 'raftkv fault heal'")
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "what chance decides by; 0: another one each time")
	return cmd
}

// order lets the nodes have a fault, or take note of it.
func (o *faultOptions) order(cmd *cobra.Command, f fault.Fault, noted bool) (st kv.FaultStatus, err error) {
	body := map[string]any{"fault": f.String(), "noted": noted}
	err = o.admin.order(cmd.Context(), http.MethodPost, "/v1/faults", body, &st)
	return st, err
}

// begun tells of a fault that has begun.
func begun(st kv.FaultStatus) string {
	if st.Result != "" {
		return fmt.Sprintf("%s: %s", st.Fault, st.Result)
	}
	return fmt.Sprintf("%s  %s  (on %s)", st.ID, st.Fault, strings.Join(st.Nodes, ", "))
}
