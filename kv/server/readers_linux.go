package server

import (
	"time"

	"raftkv/kv/command"
	"raftkv/kv/gather"
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
	company *gather.Gather // used by run alone
	need    int            // how many must wait before enough tells so; 0: run does not wait
	enough  chan struct{}  // capacity 1
}

// readRule says for whom a read index waits: not for all, since with all of them in it the
// leader has nobody to serve while it is asked for.
var readRule = gather.Rule{Prompt: 4, Patience: 4, Share: 0.75, Most: 128}

// atOnce is how many connections read under one lock of the state: entries that are to
// be applied wait for it.
const atOnce = 64

// read takes over connections whose turns only read, and which came at now.
func (l *loop) read(conns []*conn, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		g := c.turn.runs[0].group
		r := l.reads[g]
		if r == nil {
			r = &readers{loop: l, group: g, company: l.takeCompany(g), enough: make(chan struct{}, 1)}
			l.reads[g] = r
			l.server.wait.Go(r.run)
		}
		c.loop.came = now
		r.waiting = append(r.waiting, c)
		if r.need > 0 && len(r.waiting) >= r.need {
			r.need = 0
			r.enough <- struct{}{}
		}
	}
}

// takeCompany hands out what earlier readers of a group have learned; l.mu must be held.
// It outlasts a replica, and so goes by the group's number.
func (l *loop) takeCompany(g Group) *gather.Gather {
	known := l.company[g.ID()]
	if known == nil {
		return gather.New(readRule)
	}
	delete(l.company, g.ID())
	return known
}

// run serves those who wait, until nobody does.
func (r *readers) run() {
	p := &pass{loop: r.loop}
	var all []*conn
	for {
		clear(all)
		r.await()
		if all = r.take(all[:0]); len(all) == 0 {
			return
		}
		start, prompt := time.Now(), 0
		for _, c := range all {
			if r.company.Prompt(c.loop.answered, c.loop.came) {
				prompt++
			}
		}
		r.serve(all, p)
		r.company.Finished(prompt, r.count(), time.Since(start))
	}
}

// await waits for those who should read together with those who wait already.
func (r *readers) await() {
	mu := &r.loop.mu
	mu.Lock()
	want, limit := r.company.Next(len(r.waiting))
	r.need = want
	mu.Unlock()
	if want == 0 {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-r.enough:
		r.company.Gathered(true)
		return
	case <-timer.C:
	}
	mu.Lock()
	late := r.need == 0 // enough came after the time was up, and have told so
	r.need = 0
	mu.Unlock()
	if late {
		<-r.enough
	}
	r.company.Gathered(late)
}

// count returns how many wait.
func (r *readers) count() int {
	r.loop.mu.Lock()
	defer r.loop.mu.Unlock()
	return len(r.waiting)
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
		r.loop.company[r.group.ID()] = r.company
	}
	return all
}

func (r *readers) serve(all []*conn, p *pass) {
	server := r.loop.server
	// A group answers in bounded time.
	err := r.group.ReadIndex(server.ctx, group.Linearizable)
	clock := server.opts.Now().UnixMilli()
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
				x := &command.Ctx{Store: st, Now: clock}
				for _, c := range some {
					c.turn.runs[0].readFrom(x)
				}
			})
		}
		now := time.Now()
		for _, c := range some {
			c.loop.answered = now
		}
		p.conclude(some) // they are somebody else's then
	}
	p.end()
}
