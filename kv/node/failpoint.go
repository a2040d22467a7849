package node

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// Files by which a test and a node meet at a failpoint, in the data folder.
const (
	failpointReached = "failpoint.reached" // made by the node
	failpointGo      = "failpoint.go"      // made by the test: go on
)

// failpoint stops here if the configuration names this step, until a test allows
// it to go on or kills somebody.
func (n *Node) failpoint(ctx context.Context, step string) {
	if n.config.Failpoint != step {
		return
	}
	if err := os.WriteFile(filepath.Join(n.config.Dir, failpointReached), []byte(step), 0o644); err != nil {
		n.log.Error("failpoint", "topic", "node", "error", err)
		return
	}
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(n.config.Dir, failpointGo)); err == nil {
			return
		}
		pause(ctx, 5*time.Millisecond)
	}
}
