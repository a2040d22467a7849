// Command logfilter shows what a cluster did: it merges the logs of all nodes
// into one story and shows the part that matters. See DESIGN.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// Lines that are shown soon are garbage; waiting longer before collecting it
	// buys nothing, and memory is to stay small whatever the logs' size.
	debug.SetGCPercent(50)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}
