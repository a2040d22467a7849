package group

import (
	"reflect"

	"github.com/hashicorp/raft"
)

// ending returns a future of raft's that ends at the latest when this group's raft has been
// shut down, with raft.ErrRaftShutdown. Raft's own do not: what is committed and waits
// for the state machine is left there, and its future is never answered (hashicorp/raft
// issue 498). They have a channel for this, which raft sets for some of its own only. It
// must be called before anybody waits for the future.
func ending[F raft.Future](g *Group, future F) F {
	v := reflect.ValueOf(future)
	if v.Kind() != reflect.Pointer {
		return future // it is answered already
	}
	if ended := v.Elem().FieldByName("ShutdownCh"); ended.CanSet() && ended.Type() == reflect.TypeOf(g.raftDone) {
		ended.Set(reflect.ValueOf(g.raftDone))
	}
	return future
}
