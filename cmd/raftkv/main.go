// Command raftkv runs and controls nodes of a raftkv cluster.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stopOn := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		stopOn = append(stopOn, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), stopOn...)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
