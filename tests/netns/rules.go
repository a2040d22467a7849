package netns

import (
	"fmt"
	"strings"
	"testing"
)

// table is the nft table of this package's rules on each host.
const table = "raftkv"

// dropRules drops all packets of a host from and to addresses.
func dropRules(from, to []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table ip %s {\n", table)
	chain := func(hook, field string, addrs []string) {
		if len(addrs) > 0 {
			fmt.Fprintf(&b, " chain %s { type filter hook %[1]s priority 0; ip %s { %s } counter drop; }\n", hook, field, strings.Join(addrs, ", "))
		}
	}
	chain("input", "saddr", from)
	chain("output", "daddr", to)
	return b.String() + "}\n"
}

// lossRules drops some of the packets that reach a host, by chance.
func lossRules(percent int) string {
	return fmt.Sprintf("table ip %s {\n chain input { type filter hook input priority 0; iifname != lo numgen random mod 100 < %d counter drop; }\n}\n", table, percent)
}

// apply makes rules those of a host, in one step, whatever it had.
func (l *lab) apply(t testing.TB, host, rules string) {
	t.Helper()
	l.nft(t, host, fmt.Sprintf("table ip %s\ndelete table ip %[1]s\n", table)+rules)
}

// heal takes the rules of a host away. It returns how many packets they have
// dropped: a rule that has met none has tested nothing.
func (l *lab) heal(t testing.TB, host string) (dropped int) {
	t.Helper()
	out, err := l.on(host, "nft", "list", "table", "ip", table).Output()
	if err != nil {
		t.Fatalf("%s has no rules: %v", host, err)
	}
	for line := range strings.Lines(string(out)) {
		if _, count, ok := strings.Cut(line, "counter packets "); ok {
			var n int
			fmt.Sscan(count, &n)
			dropped += n
		}
	}
	l.nft(t, host, "delete table ip "+table+"\n")
	return dropped
}

func (l *lab) nft(t testing.TB, host, text string) {
	t.Helper()
	if err := sh(text, "ip", "netns", "exec", l.namespace(host), "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}
