package plan

import (
	"flag"
	"os"
	"testing"
)

// The planner starts no goroutine: under the race detector fewer random clusters
// do. Without it, `go test ./shard/plan` tries as many as ever.
func TestMain(m *testing.M) {
	flag.Parse()
	if underRace {
		flag.Set("rapid.checks", "15")
	}
	os.Exit(m.Run())
}
