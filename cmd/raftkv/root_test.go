package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestEveryCommandHasHelp(t *testing.T) {
	seen := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		seen++
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s has no example or no description", c.CommandPath())
		}
		want(t, 0, []string{"Examples:", "RAFTKV_LOG_LEVEL"}, args...)
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(newRoot())
	if seen < 13 {
		t.Errorf("only %d commands", seen)
	}
}

func TestMisuse(t *testing.T) {
	for _, test := range []struct{ args, says string }{
		{"bogus", `unknown command "bogus"`},
		{"statu", "did you mean status"},
		{"node bogus", `unknown command "bogus" for "raftkv node"`},
		{"dump bogus", `unknown command "bogus" for "raftkv dump"`},
		{"node kill", "takes ID"},
		{"node kill n1 n2", "takes ID"},
		{"up now", `no argument "now"`},
		{"up --bogus", "unknown flag"},
		{"up --log-store=paper", "wal, boltdb"},
		{"up --profile=moon", "local, wan"},
		{"up --max-memory=lots", "512mb"},
		{"up --nodes=0", "1 to 100"},
		{"up --redis-port=7001 --http-port=7002", "port 7002 would be both"},
		{"up --nodes=x", `invalid argument "x" for "--nodes" flag: want a number`},
		{"up --nodes=99999999999999999999", "the number is out of range"},
		{"up --trace-sample=-1", "want a number, 0 or more"},
		{"up --pprof=x", "want true or false"},
		{"up --hang-timeout=5", "want a time such as 10s"},
		{"up --replace-after=-1s", "--replace-after -1s: take 1s or more"},
		{"up --replace-after=0s", "--replace-after 0s: take 1s or more"},
		{"serve --data=x --bootstrap --replace-after=0", "--replace-after 0s: take 1s or more"},
		{"serve", "--data DIR"},
		{"serve --data=x --bootstrap --join=a:1", "give one of them"},
	} {
		want(t, exitMisuse, []string{test.says, "--help' for what it takes"}, strings.Fields(test.args)...)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("RAFTKV_REDIS_PORT", "7101")
	t.Setenv("RAFTKV_HTTP_PORT", "8101")
	t.Setenv("RAFTKV_PPROF", "")
	f := pflag.NewFlagSet("up", pflag.ContinueOnError)
	redis, web, pprof := f.Int("redis-port", 1, ""), f.Int("http-port", 2, ""), f.Bool("pprof", false, "")
	if err := f.Parse([]string{"--http-port=8201"}); err != nil {
		t.Fatal(err)
	}
	if err := fromEnvironment(f); err != nil {
		t.Fatal(err)
	}
	if *redis != 7101 || *web != 8201 || *pprof {
		t.Errorf("redis-port %d, http-port %d, pprof %v", *redis, *web, *pprof)
	}
	t.Setenv("RAFTKV_PROFILE", "moon")
	want(t, exitMisuse, []string{"RAFTKV_PROFILE=moon"}, "up")
	t.Setenv("RAFTKV_PROFILE", "")
	t.Setenv("RAFTKV_NODES", "x")
	want(t, exitMisuse, []string{`RAFTKV_NODES=x: invalid argument "x" for "--nodes" flag: want a number`}, "up")
}

func TestSizes(t *testing.T) {
	for text, bytes := range map[string]int64{"0": 0, "4096": 4096, "1b": 1, "3k": 3 << 10, "512mb": 512 << 20, "2GB": 2 << 30} {
		var s size
		if err := s.Set(text); err != nil || int64(s) != bytes {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		var again size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%s is shown as %s, which is %d, %v", text, &s, again, err)
		}
	}
	for _, text := range []string{"", "mb", "-1", "1.5gb", "1tb", "99999999999gb"} {
		if err := new(size).Set(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestSettingsReachTheNodes(t *testing.T) {
	var s settings
	f := pflag.NewFlagSet("up", pflag.ContinueOnError)
	s.add(f)
	given := []string{"--log-store=boltdb", "--max-memory=512mb", "--replay-budget=500ms"}
	if err := f.Parse(append(given, "--password=secret")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.args(f), " "); got != strings.Join(given, " ") {
		t.Errorf("nodes get %s", got)
	}
}

func TestVersion(t *testing.T) {
	want(t, 0, []string{"raftkv", "go1."}, "version")
	want(t, 0, []string{`"version":`}, "version", "--json")
}
