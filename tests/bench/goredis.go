package main

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"

	"raftkv/kv"
	"raftkv/kv/loadgen"
)

// goRedis is a cluster as an ordinary Redis client sees it: go-redis follows MOVED and
// ASK and learns by itself where slots are. Resharding is measured through it, for
// raftkv and Redis alike.
type goRedis struct{ client *goredis.ClusterClient }

var _ target = goRedis{}

func newGoRedis(addrs []string, clients int) goRedis {
	return goRedis{goredis.NewClusterClient(&goredis.ClusterOptions{
		// Connections to all nodes are open before slots move, as those of a program
		// that has run for a while.
		Addrs: addrs, PoolSize: clients, MinIdleConns: clients,
		ReadTimeout: loadgen.Timeout, WriteTimeout: loadgen.Timeout,
	})}
}

func (g goRedis) Dial(ctx context.Context, _ int) (loadgen.Conn, error) {
	return goRedisConn{g.client}, g.client.Ping(ctx).Err()
}

func (g goRedis) Close() error { return g.client.Close() }

// goRedisConn is one client. Connections come from the pool that all share.
type goRedisConn struct{ client *goredis.ClusterClient }

func (c goRedisConn) Do(ctx context.Context, batch []loadgen.Op) error {
	for i := range batch {
		op := &batch[i]
		op.Failure, op.Missed = "", false
		var err error
		if op.Kind == loadgen.Read {
			err = c.client.Get(ctx, string(op.Key)).Err()
		} else {
			err = c.client.Set(ctx, string(op.Key), op.Value, 0).Err()
		}
		var reply goredis.Error
		switch {
		case errors.Is(err, goredis.Nil):
			op.Missed = true
		case errors.As(err, &reply):
			op.Failure = kv.ReplyError(reply.Error()).Code()
		case err != nil:
			op.Failure = loadgen.FailedConnection
		}
	}
	return ctx.Err()
}

func (goRedisConn) Close() error { return nil }
