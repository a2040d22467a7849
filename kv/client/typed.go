package client

import (
	"context"
	"fmt"
	"strconv"

	"raftkv/kv"
)

// Get returns the value of key, and whether it exists.
func (c *Client) Get(ctx context.Context, key string) (value string, found bool, err error) {
	reply, err := c.Do(ctx, "GET", key)
	switch {
	case err != nil || reply.Kind == kv.Nil:
		return "", false, err
	case reply.Kind != kv.Bulk:
		return "", false, unexpected("GET", reply)
	}
	return string(reply.Str), true, nil
}

// Set sets key to value; an expiry of the key ends. For options, use Do.
func (c *Client) Set(ctx context.Context, key, value string) error {
	_, err := c.Do(ctx, "SET", key, value)
	return err
}

// CompareAndSet sets key to value if its value is old, and tells whether it was.
// A key that does not exist has no value that could be old. An expiry of the key
// ends if it is set.
func (c *Client) CompareAndSet(ctx context.Context, key, old, value string) (bool, error) {
	reply, err := c.Do(ctx, "SET", key, value, "IFEQ", old)
	switch {
	case err != nil || reply.Kind == kv.Nil:
		return false, err
	case reply.Kind != kv.Simple:
		return false, unexpected("SET IFEQ", reply)
	}
	return true, nil
}

// Del deletes keys, which must all be in one slot, and returns how many existed.
func (c *Client) Del(ctx context.Context, keys ...string) (int64, error) {
	return c.integer(ctx, append([]string{"DEL"}, keys...)...)
}

// Incr adds 1 to the number in key, which counts as 0 if it does not exist, and
// returns the sum.
func (c *Client) Incr(ctx context.Context, key string) (int64, error) {
	return c.integer(ctx, "INCR", key)
}

// IncrBy adds n to the number in key, which counts as 0 if it does not exist,
// and returns the sum.
func (c *Client) IncrBy(ctx context.Context, key string, n int64) (int64, error) {
	return c.integer(ctx, "INCRBY", key, strconv.FormatInt(n, 10))
}

// Append appends value to that of key, which is made if it does not exist, and
// returns the new length in bytes.
func (c *Client) Append(ctx context.Context, key, value string) (int64, error) {
	return c.integer(ctx, "APPEND", key, value)
}

func (c *Client) integer(ctx context.Context, args ...string) (int64, error) {
	reply, err := c.Do(ctx, args...)
	if err == nil && reply.Kind != kv.Int {
		err = unexpected(args[0], reply)
	}
	return reply.Int, err
}

// unexpected reports a reply of a kind that the command never has: the address
// is hardly that of a raftkv node.
func unexpected(name string, reply kv.Reply) error {
	return fmt.Errorf("%s: the reply %.40q makes no sense; is the address a raftkv node's?", name, reply.String())
}
