package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
)

// eventually waits until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// ended returns a context whose deadline is d from now.
func ended(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func code(err error) string {
	var e kv.ReplyError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code()
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	good := []string{"127.0.0.1:1"}
	for name, opts := range map[string]Options{
		"no address":       {},
		"no port":          {Addrs: []string{"localhost"}},
		"empty port":       {Addrs: []string{"localhost:"}},
		"negative pool":    {Addrs: good, PoolSize: -1},
		"negative dial":    {Addrs: good, DialTimeout: -1},
		"negative attempt": {Addrs: good, AttemptTimeout: -1},
	} {
		if c, err := New(opts); err == nil {
			c.Close()
			t.Errorf("%s: New took it", name)
		}
	}
}

func TestTypedCommands(t *testing.T) {
	c := newFake(t, 1).client(Options{})
	ctx := t.Context()
	if _, found, err := c.Get(ctx, "k"); found || err != nil {
		t.Errorf("Get of no key: %v, %v", found, err)
	}
	if err := c.Set(ctx, "k", "a"); err != nil {
		t.Error(err)
	}
	if n, err := c.Append(ctx, "k", "bc"); n != 3 || err != nil {
		t.Errorf("Append: %d, %v", n, err)
	}
	if v, found, err := c.Get(ctx, "k"); v != "abc" || !found || err != nil {
		t.Errorf("Get: %q, %v, %v", v, found, err)
	}
	if set, err := c.CompareAndSet(ctx, "k", "xyz", "new"); set || err != nil {
		t.Errorf("CompareAndSet of another value: %v, %v", set, err)
	}
	if set, err := c.CompareAndSet(ctx, "k", "abc", "new"); !set || err != nil {
		t.Errorf("CompareAndSet: %v, %v", set, err)
	}
	if set, err := c.CompareAndSet(ctx, "none", "", "new"); set || err != nil {
		t.Errorf("CompareAndSet of no key: %v, %v", set, err)
	}
	if n, err := c.Incr(ctx, "n"); n != 1 || err != nil {
		t.Errorf("Incr: %d, %v", n, err)
	}
	if n, err := c.IncrBy(ctx, "n", -5); n != -4 || err != nil {
		t.Errorf("IncrBy: %d, %v", n, err)
	}
	if n, err := c.Del(ctx, "k", "{k}2"); n != 1 || err != nil {
		t.Errorf("Del: %d, %v", n, err)
	}
	// An error of execution is an answer, and is not asked for again.
	if err := c.Set(ctx, "text", "x"); err != nil {
		t.Error(err)
	}
	if _, err := c.Incr(ctx, "text"); code(err) != "ERR" || errors.Is(err, ErrUncertain) {
		t.Errorf("Incr of a text: %v", err)
	}
}

// What a node would refuse in any case is not sent.
func TestRefusedWithoutSending(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	for want, args := range map[string][]string{
		"ERR no command":            {},
		"ERR unknown command 'LPOP": {"LPOP", "k"},
		"ERR wrong number":          {"GET"},
		"CROSSSLOT":                 {"MSET", "a", "1", "b", "2"},
		"ERR 'multi' changes":       {"MULTI"},
		"ERR 'client' changes":      {"client", "reply", "off"},
	} {
		_, err := c.Do(t.Context(), args...)
		if err == nil || code(err) == "" || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
	if got := f.commands(); len(got) > 0 {
		t.Errorf("sent all the same: %q", got)
	}
}

func TestPassword(t *testing.T) {
	f := newFake(t, 1)
	f.password = "secret"
	if err := f.client(Options{Password: "secret"}).Set(t.Context(), "k", "v"); err != nil {
		t.Error(err)
	}
	// Neither gets better by trying again.
	if err := f.client(Options{Password: "wrong"}).Set(ended(t, time.Minute), "k", "v"); code(err) != "WRONGPASS" {
		t.Errorf("a wrong password: %v", err)
	}
	if err := f.client(Options{}).Set(ended(t, time.Minute), "k", "v"); code(err) != "NOAUTH" {
		t.Errorf("no password: %v", err)
	}
}

func TestContextWithoutDeadlineGetsOne(t *testing.T) {
	c := newFake(t, 1).client(Options{})
	remaining := func(parent context.Context, e effect) time.Duration {
		ctx, cancel := c.bound(parent, e)
		defer cancel()
		deadline, has := ctx.Deadline()
		if !has {
			t.Fatal("no deadline")
		}
		return time.Until(deadline)
	}
	if d := remaining(t.Context(), reads); d > DefaultTimeout || d < DefaultTimeout-time.Second {
		t.Errorf("a context without deadline ends in %v", d)
	}
	// A write may not be sent again when its session may be forgotten.
	if d := remaining(ended(t, 5*time.Hour), once); d > maxRetrying {
		t.Errorf("a write may be sent again for %v", d)
	}
	if d := remaining(ended(t, 5*time.Hour), reads); d < 4*time.Hour {
		t.Errorf("a read that has 5 h gets %v", d)
	}
}

func TestClosed(t *testing.T) {
	f := newFake(t, 1)
	f.script(hang)
	c := f.client(Options{})
	failed := make(chan error)
	go func() {
		_, err := c.Incr(context.Background(), "n")
		failed <- err
	}()
	eventually(t, "the INCR arrives", func() bool { return len(f.commands()) == 1 })
	c.Close()
	if err := <-failed; !errors.Is(err, ErrClosed) || !errors.Is(err, ErrUncertain) {
		t.Errorf("closed during a write: %v", err)
	}
	_, _, err := c.Get(t.Context(), "k")
	if !errors.Is(err, ErrClosed) || errors.Is(err, ErrUncertain) {
		t.Errorf("closed before a read: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	f.nodes[0].waitForNoConnections(t)
}

func (n *fakeNode) waitForNoConnections(t *testing.T) {
	t.Helper()
	eventually(t, "all connections are closed", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.conns) == 0
	})
}
