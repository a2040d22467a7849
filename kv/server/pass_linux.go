package server

import (
	"time"

	"raftkv/kv/group"
	"raftkv/kv/rawio"
)

// pass is what one look at many connections has brought together. It belongs to one
// goroutine.
type pass struct {
	loop   *loop
	now    time.Time
	reads  []*conn
	writes []*conn
	same   []*group.Proposal

	conns     []*conn // those of transfers
	transfers []rawio.Transfer
}

func (p *pass) begin() { p.now = time.Now() }

// receive reads what is in the sockets of conns, whose turns the caller runs, and
// advances them.
func (p *pass) receive() {
	for _, c := range p.conns {
		p.transfers = append(p.transfers, rawio.ToReceive(c.loop.socket.fd, c.room()))
	}
	p.readAll()
	p.handOn(func(c *conn, x *rawio.Transfer) {
		if c.received(x.N, x.Errno) != nil {
			c.end()
			return
		}
		c.advance(p)
	})
}

// conclude answers turns that have been executed, and goes on with their connections.
func (p *pass) conclude(all []*conn) {
	for _, c := range all {
		if !c.turn.answer() {
			c.goOn(func() bool { c.turn.answer(); return c.flush() == nil && !c.ending() })
			continue
		}
		p.conns = append(p.conns, c)
		p.transfers = append(p.transfers, rawio.ToSend(c.loop.socket.fd, c.out))
	}
	p.writeAll()
	p.handOn(func(c *conn, x *rawio.Transfer) {
		if c.delivered(x.N, x.Errno) {
			c.advance(p)
		}
	})
}

// readAll and writeAll do the transfers. They are two so that profiles tell them apart.
func (p *pass) readAll()  { p.loop.sockets.Do(p.transfers) }
func (p *pass) writeAll() { p.loop.sockets.Do(p.transfers) }

// handOn gives each connection to then, whose it is from then on, with its transfer.
func (p *pass) handOn(then func(*conn, *rawio.Transfer)) {
	for i, c := range p.conns {
		then(c, &p.transfers[i])
	}
	clear(p.conns)
	clear(p.transfers)
	p.conns, p.transfers = p.conns[:0], p.transfers[:0]
}

// add notes a connection with a turn that waits for a group.
func (p *pass) add(c *conn) {
	r := c.turn.runs[0]
	if len(r.proposal.Ends) == 0 {
		p.reads = append(p.reads, c)
		return
	}
	r.proposal.Finished = c.loop.written
	p.writes = append(p.writes, c)
}

// end hands all turns to their groups.
func (p *pass) end() {
	for all := p.writes; len(all) > 0; {
		g, others := all[0].turn.runs[0].group, all[:0]
		for _, c := range all {
			if r := c.turn.runs[0]; r.group == g {
				p.same = append(p.same, r.proposal)
			} else {
				others = append(others, c)
			}
		}
		all = others
		g.Propose(p.same...)
		clear(p.same)
		p.same = p.same[:0]
	}
	if len(p.reads) > 0 {
		p.loop.read(p.reads, p.now)
	}
	clear(p.writes)
	clear(p.reads)
	p.writes, p.reads = p.writes[:0], p.reads[:0]
}
