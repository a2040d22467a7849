// Package client is the Go client of a raftkv cluster. Any Redis Cluster client
// can talk to raftkv; this one adds that every write with a key takes effect
// exactly once, so that INCR and APPEND survive lost connections, failovers and
// timeouts without being counted twice.
//
// A write is sent as RAFTKV.ONCE with the id and sequence number of a session
// (Raft dissertation, section 6.3). When its outcome is unknown, since the
// connection broke, the node hung or it answered UNCERTAIN, it is sent again with
// the same number, and the cluster either executes it or repeats the reply that
// it gave the first time. Reads are repeated freely.
//
// # Outcomes
//
// A call ends in one of three ways:
//
//   - with a reply;
//   - with an error that wraps [ErrUncertain]: the context ended while the
//     outcome was not known. The write took effect once, will do so yet, or never;
//   - with any other error: nothing was done. Errors of the server are
//     [kv.ReplyError], found by errors.As.
//
// A write is not sent again forever: sessions end when they have been idle for an
// hour, so after 30 minutes a call gives up whatever its context says.
package client
