package main

import (
	"fmt"
	"io"
	"strings"

	"raftkv/kv/launch"
	"raftkv/kv/node"
)

// warnUnsafe says loudly that nodes break a rule.
func warnUnsafe(out io.Writer, name string) {
	if warning := node.UnsafeWarning(name); warning != "" {
		line := strings.Repeat("!", len(warning))
		fmt.Fprintf(out, "%s\n%s\n%s\n", line, warning, line)
	}
}

// unsafeOf returns the rule that a local cluster's nodes are started to break, or "".
func unsafeOf(nodes []launch.Node) string {
	for _, n := range nodes {
		for _, flag := range n.Flags {
			if name, is := strings.CutPrefix(flag, "--unsafe="); is && name != "" {
				return name
			}
		}
	}
	return ""
}
