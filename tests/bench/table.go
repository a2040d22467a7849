package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// spread is the median of some numbers, with the lowest and highest.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

func (s spread) text(number func(float64) string) string {
	if s.low == s.high {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s..%s)", number(s.median), number(s.low), number(s.high))
}

// cell are all runs of one point of one system.
type cell []measurement

func (c cell) spread(of func(measurement) float64) spread {
	var values []float64
	for _, m := range c {
		values = append(values, of(m))
	}
	return spreadOf(values)
}

func (c cell) latency(of func(measurement) time.Duration) string {
	return c.spread(func(m measurement) float64 { return float64(of(m)) }).text(func(f float64) string { return ms(time.Duration(f)) })
}

// ratios divides each run by the other cell's measurement of the same run.
func (c cell) ratios(other cell) []float64 {
	var out []float64
	for _, m := range c {
		for _, o := range other {
			if m.Run == o.Run && o.Rate > 0 {
				out = append(out, m.Rate/o.Rate)
			}
		}
	}
	return out
}

// writeTable prints one operation's measurements in Markdown.
func writeTable(out io.Writer, op string, systems []string, all []measurement) {
	cells := make(map[point]map[string]cell)
	var order []point
	for _, m := range all {
		if m.Op != op {
			continue
		}
		if cells[m.point] == nil {
			cells[m.point] = make(map[string]cell)
			order = append(order, m.point)
		}
		cells[m.point][m.System] = append(cells[m.point][m.System], m)
	}
	if len(order) == 0 {
		return
	}
	title := op
	if op == "GET" {
		title = "GET (linearizable)"
	}
	fmt.Fprintf(out, "\n### %s\n\n", title)
	fmt.Fprintln(out, "| clients | system | op/s | x etcd | p50 ms | p99 ms | p99.9 ms | CPU us/op | failed |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	for _, p := range order {
		for _, name := range systems {
			c := cells[p][name]
			if len(c) == 0 {
				continue
			}
			ratio := "-"
			if r := c.ratios(cells[p][etcdName]); len(r) > 0 && name != etcdName {
				ratio = spreadOf(r).text(func(f float64) string { return fmt.Sprintf("%.2f", f) })
			}
			var failed int64
			for _, m := range c {
				for _, n := range m.Errors {
					failed += n
				}
			}
			cpu := func(of func(measurement) time.Duration) float64 {
				return c.spread(func(m measurement) float64 { return float64(of(m)) / 1e3 }).median
			}
			fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %.0f + %.0f | %d |\n", p.label(), name,
				c.spread(func(m measurement) float64 { return m.Rate }).text(count), ratio,
				c.latency(func(m measurement) time.Duration { return m.P50 }),
				c.latency(func(m measurement) time.Duration { return m.P99 }),
				c.latency(func(m measurement) time.Duration { return m.P999 }),
				cpu(func(m measurement) time.Duration { return m.ServerCPU }),
				cpu(func(m measurement) time.Duration { return m.ClientCPU }), failed)
		}
	}
}

// count writes a number with three digits: 726, 5.61k, 1.20M.
func count(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.3gM", n/1e6)
	case n >= 999.5:
		if n >= 99950 {
			return fmt.Sprintf("%.0fk", n/1e3)
		}
		return fmt.Sprintf("%.3gk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}

// ms writes a time in milliseconds with about three digits.
func ms(d time.Duration) string {
	n := float64(d) / 1e6
	switch {
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}

func writeJSON(path string, c conditions, all []measurement) error {
	b, err := json.MarshalIndent(map[string]any{"conditions": c, "measurements": all}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
