// Command matrix runs every workload under every fault, with one group and with
// several between which slots move, each cell against real processes, and prints
// what came of it as a table. The checks themselves are those of `raftkv check`.
//
// The exit code is the verdict: 0 nothing is wrong, 1 something is, 2 some of it
// could not be judged or the command line is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitCorrect = iota
	exitViolated
	exitUndecided
)

// run is main without the process.
func run(ctx context.Context, args []string, out, progress io.Writer) int {
	m := matrix{out: out, progress: progress}
	var works, faults, groups string
	f := flag.NewFlagSet("matrix", flag.ContinueOnError)
	f.SetOutput(progress)
	f.StringVar(&m.binary, "raftkv", ".build/raftkv", "the raftkv program")
	f.StringVar(&m.dir, "dir", ".build/faults", "folder for what is wrong; each run has one of its own in it")
	f.DurationVar(&m.duration, "duration", 20*time.Minute, "how long all cells take together")
	f.Uint64Var(&m.seed, "seed", 0, "decides the seed of each cell; 0: another one each time")
	f.StringVar(&works, "workloads", "all", "rows of workloads: "+names(workloads)+"; or workloads of raftkv check")
	f.StringVar(&faults, "faults", "all", "rows of faults: "+names(faultRows)+"; or faults of raftkv check")
	f.StringVar(&groups, "groups", "1,3", "how many groups share the slots, a cluster each; with more than one, slots move all the time")
	f.StringVar(&m.unsafe, "unsafe", "", "a rule that the clusters break, as of raftkv up: to see the matrix find it")
	f.IntVar(&m.port, "port", 24000, "where to look for nine free ports")
	if err := f.Parse(args); err != nil {
		return exitUndecided
	}
	if m.seed == 0 {
		m.seed = 1 + rand.Uint64N(1_000_000)
	}
	err := m.choose(list(works), list(faults), list(groups))
	if err == nil {
		err = m.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(progress, "matrix:", err)
		return exitUndecided
	}
	return m.verdict()
}

func list(text string) (out []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}
