package group

import "context"

// beatLoop makes raft beat when the transport wants it (transport.Group.OnBeat). To
// verify that it leads, raft sends heartbeats to all followers at once, which is all
// that is wanted: the answer is not waited for. If a follower is in a later term, the
// leader steps down by this, and not only with the next append.
//
// A main loop that is busy leaves these questions in a channel of raft's with room for
// 64. That must not become full, since the loops that beat write into it, too: the
// transport does not ask again soon when raft does not come.
func (g *Group) beatLoop(ctx context.Context) {
	wanted := make(chan struct{}, 1)
	g.config.Transport.OnBeat(func() {
		select {
		case wanted <- struct{}{}:
		default:
		}
	})
	for {
		select {
		case <-wanted:
			g.raft.VerifyLeader() // blocks until raft is shut down, at most
		case <-ctx.Done():
			return
		}
	}
}
