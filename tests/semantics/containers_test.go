package semantics

import (
	"strings"
	"testing"
	"time"

	"raftkv/kv/command"
	"raftkv/tests/cluster"
)

// What the table says of containers such as CLIENT is true: each sub-command is there,
// and HELP names it. Where Redis's words are not ours, nothing can be compared.
func TestContainers(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 1, Flags: []string{"--enable-faults"}})
	conn, err := dial(c.At("n1").Redis)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.nc.Close()
	do := func(words ...string) string {
		t.Helper()
		reply, err := conn.do(words)
		if err != nil {
			t.Fatal(words, err)
		}
		return reply
	}
	do("HELLO", "3")
	containers := 0
	for _, spec := range command.All() {
		if len(spec.Subcommands) == 0 {
			continue
		}
		containers++
		help := do(spec.Name, "HELP")
		for _, sub := range spec.Subcommands {
			_, name, _ := strings.Cut(sub.Name, "|")
			if !strings.Contains(help, "\r\n+"+strings.ToUpper(name)) {
				t.Errorf("%s HELP does not tell of %s: %q", spec.Name, name, help)
			}
			words := []string{spec.Name, name}
			for len(words) < max(sub.Arity, -sub.Arity) {
				words = append(words, "1")
			}
			if reply := do(words...); strings.Contains(reply, "unknown subcommand '") || strings.Contains(reply, "wrong number of arguments for '"+sub.Name) {
				t.Errorf("%q: %q", words, reply)
			}
		}
	}
	if containers < 8 {
		t.Errorf("%d containers", containers)
	}

	for _, want := range []struct{ command, part string }{
		{"CLUSTER SLOTS", "%0\r\n"}, // of a node, what else is known
		{"COMMAND INFO", "+readonly\r\n"},
		{"COMMAND LIST FILTERBY ACLCAT connection", "$4\r\nping\r\n"},
		{"COMMAND LIST FILTERBY PATTERN client|g*", "$14\r\nclient|getname\r\n"},
		{"COMMAND INFO slowlog|get", "$11\r\nslowlog|get\r\n"},
		{"COMMAND DOCS SET", "comparison-value"},
		{"COMMAND GETKEYS MEMORY USAGE k", "$1\r\nk\r\n"},
		{"CLIENT HELP", "+SETNAME connection-name\r\n"},
		{"client|list", "-ERR unknown command"},
		{"DEBUG SLEEP x", "-ERR "},
		{"DEBUG SLEEP -1", "-ERR "},
		{"DEBUG SLEEP nan", "-ERR "},
		{"DEBUG SLEEP", "-ERR wrong number"},
		{"DEBUG OBJECT a", "-ERR unknown subcommand"},
	} {
		if reply := do(strings.Fields(want.command)...); !strings.Contains(reply, want.part) {
			t.Errorf("%s: %q is not in %q", want.command, want.part, reply)
		}
	}
	// INFO tells nothing that is not measured.
	do("SET", "a", "1")
	do("GET", "a")
	info := do("INFO")
	for _, name := range []string{"keyspace_hits:", "instantaneous_ops_per_sec:", "used_memory_peak:"} {
		if strings.Contains(info, name) {
			t.Errorf("INFO tells %s", name)
		}
	}
	start := time.Now()
	if reply := do("DEBUG", "SLEEP", "0.2"); reply != "+OK\r\n" || time.Since(start) < 200*time.Millisecond {
		t.Errorf("DEBUG SLEEP 0.2: %q after %v", reply, time.Since(start))
	}
}
