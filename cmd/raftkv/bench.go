package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv/certs"
	"raftkv/kv/loadgen"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	addrs    []string
	password string
	ca       string
	clients  int
	pipeline int
	reads    float64
	keys     int64
	dist     string
	zipf     float64
	value    size
	rate     float64
	duration time.Duration
	requests int64
	warmup   time.Duration
	fill     bool
	quiet    bool
	asJSON   bool
}

func newBench() *cobra.Command {
	b := &benchFlags{value: 100}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Load any Redis address or cluster and measure it",
		Long: `Load any Redis address or cluster with reads and writes and measure how long they
take.

Without --rate each client sends its next request when the last one is answered.
With --rate requests are due at fixed times, and one that could only be sent late
counts from when it was due.`,
		Example: `  raftkv bench                                   # the local cluster, half reads
  raftkv bench --clients 256 --reads 0 --duration 30s
  raftkv bench --rate 5000 --dist zipf --keys 1000000
  raftkv bench --addr 10.0.0.1:6379 --pipeline 16 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := b.config()
			if err != nil {
				return misuse{err}
			}
			if !b.quiet {
				config.Progress = func(p loadgen.Progress) { printProgress(cmd.ErrOrStderr(), p) }
			}
			result, err := loadgen.Run(cmd.Context(), config)
			if err != nil {
				return fmt.Errorf("%w; is the cluster running (`raftkv up`)?", err)
			}
			if b.asJSON {
				err = printBenchJSON(cmd.OutOrStdout(), result)
			} else {
				err = printBench(cmd.OutOrStdout(), result)
			}
			if err == nil && result.All.Count == 0 {
				err = errors.New("no request succeeded")
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&b.addrs, "addr", []string{"127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"}, "Redis addresses; of a cluster, any of its nodes")
	f.StringVar(&b.password, "password", "", "for AUTH; better as RAFTKV_PASSWORD")
	f.StringVar(&b.ca, "tls-ca", "", "speak TLS, with servers whose certificates are of the authority in this file")
	f.IntVar(&b.clients, "clients", 50, "connections")
	f.IntVar(&b.pipeline, "pipeline", 1, "requests that a client sends at once")
	f.Float64Var(&b.reads, "reads", 0.5, "share of reads, 0 to 1")
	f.Int64Var(&b.keys, "keys", 100_000, "number of keys")
	f.StringVar(&b.dist, "dist", "uniform", "how keys are chosen: uniform or zipf")
	f.Float64Var(&b.zipf, "zipf", 0.99, "exponent of the zipf distribution")
	f.Var(&b.value, "value-size", "size of values")
	f.Float64Var(&b.rate, "rate", 0, "requests a second of all clients together; 0: as fast as it goes")
	f.DurationVar(&b.duration, "duration", 10*time.Second, "how long")
	f.Int64Var(&b.requests, "requests", 0, "how many requests; 0: no limit but --duration")
	f.DurationVar(&b.warmup, "warmup", time.Second, "load before that does not count")
	f.BoolVar(&b.fill, "fill", true, "write every key once before")
	f.BoolVar(&b.quiet, "quiet", false, "no progress")
	f.BoolVar(&b.asJSON, "json", false, "print JSON")
	return cmd
}

func (b *benchFlags) config() (loadgen.Config, error) {
	options := loadgen.RedisOptions{Password: b.password}
	if b.ca != "" {
		config, err := certs.Client(b.ca)
		if err != nil {
			return loadgen.Config{}, fmt.Errorf("--tls-ca: %w", err)
		}
		options.TLS = config
	}
	c := loadgen.Config{
		Target:  loadgen.Redis(b.addrs, options),
		Clients: b.clients, Pipeline: b.pipeline,
		Duration: b.duration, Requests: b.requests, Warmup: b.warmup,
		Rate: b.rate, Reads: b.reads, Keys: b.keys, ValueSize: int(b.value), Fill: b.fill,
	}
	switch b.dist {
	case "uniform":
	case "zipf":
		c.Zipf = b.zipf
	default:
		return c, fmt.Errorf("--dist %s: there are uniform and zipf", b.dist)
	}
	if b.clients < 1 || b.pipeline < 1 || b.keys < 1 {
		return c, errors.New("--clients, --pipeline and --keys must be at least 1")
	}
	return c, nil
}

func printProgress(out io.Writer, p loadgen.Progress) {
	fmt.Fprintf(out, "%-6s %5.0fs  %9.0f/s  p50 %v  p99 %v  longest %v  errors %d\n",
		p.Phase, p.Elapsed.Seconds(), p.Rate, short(p.P50), short(p.P99), short(p.Max), p.Errors)
}

// short rounds a duration to three digits or so.
func short(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

func printBench(out io.Writer, r *loadgen.Result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tREQUESTS\tPER SECOND\tMEAN\tP50\tP90\tP99\tP99.9\tLONGEST")
	for _, row := range []struct {
		name string
		s    loadgen.Summary
	}{{"reads", r.Reads}, {"writes", r.Writes}, {"all", r.All}} {
		s := row.s
		if s.Count == 0 {
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%v\t%v\t%v\t%v\t%v\t%v\n", row.name, s.Count, s.Rate,
			short(s.Mean), short(s.P50), short(s.P90), short(s.P99), short(s.P999), short(s.Max))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printHistogram(out, r.All)
	if r.Misses > 0 {
		fmt.Fprintf(out, "%d reads found no value\n", r.Misses)
	}
	codes := make([]string, 0, len(r.Errors))
	for code := range r.Errors {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for _, code := range codes {
		fmt.Fprintf(out, "%d requests failed: %s\n", r.Errors[code], code)
	}
	if r.Unsent > 0 {
		fmt.Fprintf(out, "%d requests were due and not sent: the target is slower than --rate\n", r.Unsent)
	}
	if r.Interrupted {
		fmt.Fprintln(out, "interrupted")
	}
	return nil
}

// printHistogram shows how many requests took how long, in powers of two.
func printHistogram(out io.Writer, s loadgen.Summary) {
	if s.Count == 0 {
		return
	}
	fmt.Fprintln(out)
	below := int64(0)
	for bound := 64 * time.Microsecond; below < s.Count; bound *= 2 {
		upTo := s.Count
		if bound < s.Max {
			upTo = countUpTo(s, bound)
		}
		if n := upTo - below; n > 0 {
			share := float64(n) / float64(s.Count)
			fmt.Fprintf(out, "%10s  %6.2f%%  %s\n", "<= "+bound.String(), 100*share, strings.Repeat("#", int(share*50+0.5)))
		}
		below = upTo
	}
}

// countUpTo counts the requests that took no longer than bound.
func countUpTo(s loadgen.Summary, bound time.Duration) (n int64) {
	for _, bar := range s.Histogram.Distribution() {
		if bar.To <= int64(bound) {
			n += bar.Count
		}
	}
	return n
}

// benchSummary is a summary as JSON; times are in ms.
type benchSummary struct {
	Requests  int64   `json:"requests"`
	PerSecond float64 `json:"per_second"`
	Mean      float64 `json:"mean_ms"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p999_ms"`
	Max       float64 `json:"max_ms"`
}

func printBenchJSON(out io.Writer, r *loadgen.Result) error {
	of := func(s loadgen.Summary) benchSummary {
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		return benchSummary{s.Count, s.Rate, ms(s.Mean), ms(s.P50), ms(s.P90), ms(s.P99), ms(s.P999), ms(s.Max)}
	}
	return json.NewEncoder(out).Encode(map[string]any{
		"elapsed_s": r.Elapsed.Seconds(), "all": of(r.All), "reads": of(r.Reads), "writes": of(r.Writes),
		"errors": r.Errors, "misses": r.Misses, "unsent": r.Unsent, "interrupted": r.Interrupted,
	})
}
