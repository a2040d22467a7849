// Command bench compares raftkv with etcd and redis-server on this machine, and
// measures what a user would like to know besides: memory, restarts, snapshots,
// failovers, and what sharding brings and costs. It prints Markdown. README.md says how it stays fair.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"raftkv/kv/launch"
)

// modes are the sub-commands; without one, the systems are compared.
var modes = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"memory":   memory,
	"restart":  restart,
	"snapshot": snapshots,
	"failover": failover,
	"profile":  profiles,
	"sharding": sharding,
	memberCommand: func(ctx context.Context, args []string, _ io.Writer) error {
		return runMember(ctx, args)
	},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		generate()
		return compare(ctx, args, out)
	}
	mode, ok := modes[args[0]]
	if !ok {
		return fmt.Errorf("there is no mode %q: there are memory, restart, snapshot, failover, profile and sharding, or none to compare", args[0])
	}
	if args[0] != memberCommand {
		generate()
	}
	return mode(ctx, args[1:], out)
}

// generate makes this process the generator. It collects garbage less often than
// a server would, for its CPU time is taken from the servers; that helps etcd, whose
// client makes most garbage. And neither it nor a server interrupts who runs when
// it wakes up: `raftkv up` starts nodes so, and what is started here takes after
// this process, so that etcd and redis-server have the same. With SCHEDULING=default in
// the environment all but raftkv's nodes are as the system has them.
func generate() {
	debug.SetGCPercent(800)
	if os.Getenv("SCHEDULING") == "default" {
		return
	}
	if err := launch.ScheduleAsBatch(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: the kernel's default scheduling stays:", err)
	}
}
