// Package race lets tests do less under the race detector, which makes code that
// computes up to ten times slower. It is for properties of code that starts no goroutine;
// `go test` without -race tries as many examples as ever.
package race

import (
	"flag"
	"os"
	"testing"
)

// FewerChecks is a TestMain that has package rapid try checks examples of each property
// under the race detector, instead of 100.
func FewerChecks(m *testing.M, checks string) {
	flag.Parse()
	if Detector {
		if err := flag.Set("rapid.checks", checks); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
