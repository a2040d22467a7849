package fsm

import (
	"testing"

	"raftkv/tests/race"
)

func TestMain(m *testing.M) { race.FewerChecks(m, "30") }
