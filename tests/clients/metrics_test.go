package clients

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"raftkv/tests/cluster"
)

// Every measurement that a served write and read make is in the leader's metrics: a
// histogram that nobody feeds looks like a store that is at rest.
func TestMetricsOfServedCommands(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	leader := c.At(c.Leader())
	p := port(leader.Redis)
	tool(t, "redis-cli", "-p", p, "set", "a", "1")
	tool(t, "redis-cli", "-p", p, "get", "a")
	text := tool(t, "curl", "-s", "http://"+leader.HTTP+"/metrics")
	for _, name := range []string{
		`raftkv_commands_total{command="set".*outcome="ok"`, `raftkv_commands_total{command="get".*outcome="ok"`,
		`raftkv_command_seconds_count{kind="write"`, `raftkv_command_seconds_count{kind="read"`,
		`raftkv_entry_commands_count{group="1"`, `raftkv_entry_bytes_count{group="1"`,
		`raftkv_commit_seconds_count{group="1"`, `raftkv_apply_seconds_count{group="1"`,
		`raftkv_log_store_seconds_count{group="1"`, `raftkv_log_fsync_seconds_count{group="1"`,
		`raftkv_read_index_seconds_count{group="1"`,
	} {
		if got := sample(text, name); got == 0 {
			t.Errorf("%s is %v after a SET and a GET", strings.ReplaceAll(name, `.*`, ","), got)
		}
	}
}

// sample returns the value of the first sample in a page of metrics that begins with
// what the pattern says; 0: there is none.
func sample(text, pattern string) float64 {
	m := regexp.MustCompile(`(?m)^` + strings.ReplaceAll(pattern, "{", `\{`) + `[^}]*\} (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}
