package server

import (
	"raftkv/kv/command"
	"raftkv/kv/group"
	"raftkv/kv/store"
)

// readers are a loop's connections that want to read from a group. One read index
// serves all that have come before it is asked for; who comes later waits for the next
// one. The loop's lock guards it.
type readers struct {
	loop    *loop
	group   Group
	waiting []*conn
}

// atOnce is how many connections read under one lock of the state: entries that are to
// be applied wait for it.
const atOnce = 64

// read takes over connections whose turns only read.
func (l *loop) read(conns []*conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		g := c.turn.runs[0].group
		r := l.reads[g]
		if r == nil {
			r = &readers{loop: l, group: g}
			l.reads[g] = r
			l.server.wait.Go(r.run)
		}
		r.waiting = append(r.waiting, c)
	}
}

// run serves those who wait, until nobody does.
func (r *readers) run() {
	p := &pass{loop: r.loop}
	var all []*conn
	for {
		clear(all)
		if all = r.take(all[:0]); len(all) == 0 {
			return
		}
		r.serve(all, p)
	}
}

// take returns those who wait, and has spare for those who come. If nobody waits, r is
// at its end.
func (r *readers) take(spare []*conn) []*conn {
	r.loop.mu.Lock()
	defer r.loop.mu.Unlock()
	all := r.waiting
	r.waiting = spare
	if len(all) == 0 {
		delete(r.loop.reads, r.group)
	}
	return all
}

func (r *readers) serve(all []*conn, p *pass) {
	server := r.loop.server
	// A group answers in bounded time.
	err := r.group.ReadIndex(server.ctx, group.Linearizable)
	now := server.opts.Now().UnixMilli()
	p.begin()
	for len(all) > 0 {
		some := all[:min(len(all), atOnce)]
		all = all[len(some):]
		if err != nil {
			for _, c := range some {
				c.turn.runs[0].failReads(errorReply(err))
			}
		} else {
			r.group.View(func(st *store.Store) {
				x := &command.Ctx{Store: st, Now: now}
				for _, c := range some {
					c.turn.runs[0].readFrom(x)
				}
			})
		}
		for _, c := range some {
			c.conclude(p)
		}
	}
	p.end()
}
