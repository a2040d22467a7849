// Command logbench measures logfilter beside grep, jq and lnav on the same
// questions about the same logs: those of a real cluster under load and faults,
// repeated with later and later times until they are as large as wanted. It
// prints Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.raftkv, "raftkv", ".build/raftkv", "the raftkv program")
	flag.StringVar(&o.logfilter, "logfilter", ".build/logfilter", "the logfilter program")
	flag.IntVar(&o.megabytes, "mb", 2048, "size of the logs in MB")
	flag.IntVar(&o.slowMegabytes, "slow-mb", 256, "how much of them the slow tools get, in MB: they are compared by MB a second")
	flag.IntVar(&o.port, "port", 23500, "first of nine free ports for the cluster")
	flag.StringVar(&o.dir, "dir", "", "folder for the logs, kept and used again (default: a temporary one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "logbench:", err)
		os.Exit(1)
	}
}

type options struct {
	raftkv, logfilter        string
	megabytes, slowMegabytes int
	port                     int
	dir                      string
}

func (o *options) run(ctx context.Context) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "logbench-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	seed, big, part := filepath.Join(o.dir, "seed"), filepath.Join(o.dir, "big"), filepath.Join(o.dir, "part")
	if _, err := os.Stat(seed); err != nil {
		if err := o.record(ctx, seed); err != nil {
			return err
		}
	}
	for _, logs := range []struct {
		dir string
		mb  int
	}{{big, o.megabytes}, {part, min(o.slowMegabytes, o.megabytes)}} {
		if err := grow(seed, logs.dir, int64(logs.mb)<<20); err != nil {
			return err
		}
	}
	return o.compare(ctx, big, part)
}

// note tells on stderr how far the program is.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
