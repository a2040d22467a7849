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
		generatorMemory()
		return compare(ctx, args, out)
	}
	mode, ok := modes[args[0]]
	if !ok {
		return fmt.Errorf("there is no mode %q: there are memory, restart, snapshot, failover, profile and sharding, or none to compare", args[0])
	}
	if args[0] != memberCommand {
		generatorMemory()
	}
	return mode(ctx, args[1:], out)
}

// generatorMemory lets the generator collect garbage less often than a server
// would: its CPU time is taken from the servers. That helps etcd, whose client
// makes most garbage.
func generatorMemory() { debug.SetGCPercent(800) }
