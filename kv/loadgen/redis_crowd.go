package loadgen

import "context"

// crowd is for how many clients a hub is worth its price.
const crowd = 16

// redisCrowd is a target for many clients, whose connections a hub serves.
type redisCrowd struct {
	*RedisTarget
	hub *hub
}

// together returns the target as so many clients should use it, and what is to be called
// when all of their connections have been closed.
func (t *RedisTarget) together(clients int) (all Target, end func()) {
	if clients >= crowd && t.opts.TLS == nil {
		if h, err := newHub(); err == nil { // it works without
			return redisCrowd{t, h}, h.close
		}
	}
	return t, func() {}
}

func (t redisCrowd) Dial(ctx context.Context, client int) (Conn, error) {
	return t.dial(ctx, client, t.hub)
}
