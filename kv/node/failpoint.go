package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Files by which a test and a node meet at a failpoint, in the data folder.
const (
	failpointReached = "failpoint.reached" // made by the node: the step
	failpointGo      = "failpoint.go"      // made by the test: the steps that may go on; empty: all
)

// failpoint stops here if the configuration names this step, until a test allows
// it to go on or kills somebody.
func (n *Node) failpoint(ctx context.Context, step string) {
	if !slices.Contains(strings.Split(n.config.Failpoint, ","), step) {
		return
	}
	if err := os.WriteFile(filepath.Join(n.config.Dir, failpointReached), []byte(step), 0o644); err != nil {
		n.log.Error("failpoint", "topic", "node", "error", err)
		return
	}
	for ctx.Err() == nil {
		allowed, err := os.ReadFile(filepath.Join(n.config.Dir, failpointGo))
		if err == nil && (len(allowed) == 0 || slices.Contains(strings.Split(string(allowed), ","), step)) {
			return
		}
		pause(ctx, 5*time.Millisecond)
	}
}
