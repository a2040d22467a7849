package loadgen

import (
	"context"
	"testing"
	"time"
)

type (
	echoTarget struct{}
	echoConn   struct{}
)

func (echoTarget) Dial(context.Context, int) (Conn, error) { return echoConn{}, nil }
func (echoConn) Do(context.Context, []Op) error            { return nil }
func (echoConn) Close() error                              { return nil }

// Every operation of the run is observed once, with times that make sense.
func TestObserve(t *testing.T) {
	const clients = 3
	seen := make([]int64, clients)
	r, err := Run(t.Context(), Config{
		Target: echoTarget{}, Clients: clients, Pipeline: 2, Requests: 1000, Keys: 10,
		Observe: func(client int, op *Op, start, end time.Time) {
			if seen[client]++; end.Before(start) || len(op.Key) == 0 {
				t.Errorf("%q from %v to %v", op.Key, start, end)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum := seen[0] + seen[1] + seen[2]; sum != r.All.Count || sum != 1000 {
		t.Errorf("%d were observed, of %d", sum, r.All.Count)
	}
}
