package netns

import (
	"context"
	"testing"
	"time"

	"raftkv/kv/check"
	"raftkv/kv/history"
)

// enough is how many operations a verdict needs to prove something.
const enough = 200

// checked lets the clients of `raftkv check` work while do breaks and heals the
// network, and wants a verdict without fault. The writers rest when it is made. Half of these clients read from any
// node, one that is cut off as well: an old leader's stale answer does not pass.
func (h *hosted) checked(t *testing.T, w *writers, do func()) *check.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	config := check.Config{Redis: h.all(h.redis), HTTP: h.all(h.http), Password: password, For: time.Minute, Clients: 4, Window: 3 * time.Second, Think: 10 * time.Millisecond,
		Within: 30 * time.Second, Out: t.TempDir()}
	var report *check.Report
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		report, err = check.Run(ctx, config)
	}()
	do()
	// In the end replicas are compared, which must come to the same index for that.
	w.turn.Lock()
	defer w.turn.Unlock()
	cancel()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("%s: %s", p.Check, p.Text)
	}
	if report.Result != history.Correct {
		t.Errorf("the verdict is %s: %+v", report.Result, report.Checks)
	}
	if report.Operations < enough {
		t.Errorf("%d operations prove little", report.Operations)
	}
	t.Logf("check: %d operations, %d of unknown outcome, %d refused, %d windows; longest time without any answer %.2f s, serves %.2f s after the end",
		report.Operations, report.Unknown, report.Refused, report.Windows, report.Silence, report.Healed)
	return report
}
