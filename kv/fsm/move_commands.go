package fsm

import (
	"fmt"
	"strconv"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/shard"
	"raftkv/shard/migrate"
)

// The admin commands of migrations. The first argument of all is the migration's
// number: the epoch at which the controller recorded it.
const (
	adminExport = "RAFTKV.EXPORT" // number to slots
	adminFreeze = "RAFTKV.FREEZE" // number attempt
	adminSeal   = "RAFTKV.SEAL"   // number attempt
	adminThaw   = "RAFTKV.THAW"   // number attempt fenced
	adminCancel = "RAFTKV.CANCEL" // number fenced
	adminDelete = "RAFTKV.DELETE" // number

	adminInstall  = "RAFTKV.INSTALL"  // number from slots attempt run
	adminChunk    = "RAFTKV.CHUNK"    // number run seq through bytes
	adminWipe     = "RAFTKV.WIPE"     // number run seq all
	adminActivate = "RAFTKV.ACTIVATE" // number attempt clock keys sessions
	adminAbort    = "RAFTKV.ABORT"    // number
)

func moveCommand(name string, number uint64, args ...any) []byte {
	parts := [][]byte{[]byte(name), strconv.AppendUint(nil, number, 10)}
	for _, a := range args {
		switch a := a.(type) {
		case []byte:
			parts = append(parts, a)
		case []shard.Range:
			parts = append(parts, []byte(shard.FormatRanges(a)))
		case bool:
			parts = append(parts, strconv.AppendInt(nil, kv.BoolInt(a).Int, 10))
		default:
			parts = append(parts, fmt.Append(nil, a))
		}
	}
	return resp.AppendCommand(nil, parts...)
}

// ExportSlots makes the command by which a group begins to give slots away:
// owned -> exporting.
func ExportSlots(m shard.Migration) []byte { return moveCommand(adminExport, m.Epoch, m.To, m.Slots) }

// FreezeSlots makes the command that ends serving them: exporting -> frozen.
func FreezeSlots(number, attempt uint64) []byte { return moveCommand(adminFreeze, number, attempt) }

// SealSlots makes the command behind which the target may be told to activate.
func SealSlots(number, attempt uint64) []byte { return moveCommand(adminSeal, number, attempt) }

// ThawSlots makes the command that serves them again: frozen -> exporting, with
// the next attempt. Sealed slots thaw only if the target is fenced.
func ThawSlots(number, attempt uint64, fenced bool) []byte {
	return moveCommand(adminThaw, number, attempt, fenced)
}

// CancelMove makes the command that keeps the slots: exporting or frozen -> owned.
func CancelMove(number uint64, fenced bool) []byte { return moveCommand(adminCancel, number, fenced) }

// DeleteMoved makes the command that removes what was given away: sealed ->
// absent at once, and the keys with as many entries of it as that takes.
func DeleteMoved(number uint64) []byte { return moveCommand(adminDelete, number) }

// InstallSlots makes the command by which a group begins to take slots, absent ->
// installing, or goes on to another attempt or driver.
func InstallSlots(m shard.Migration, attempt, run uint64) []byte {
	return moveCommand(adminInstall, m.Epoch, m.From, m.Slots, attempt, run)
}

// InstallChunk makes the command that brings keys and sessions.
func InstallChunk(number, run, seq, through uint64, b []byte) []byte {
	return moveCommand(adminChunk, number, run, seq, through, b)
}

// WipeInstalled makes the command that removes what came, and if all is set the
// sessions as well.
func WipeInstalled(number, run, seq uint64, all bool) []byte {
	return moveCommand(adminWipe, number, run, seq, all)
}

// ActivateSlots makes the command by which the group owns what it has installed:
// installing -> owned, if that is what digest says.
func ActivateSlots(number, attempt uint64, clock int64, digest migrate.Digest) []byte {
	return moveCommand(adminActivate, number, attempt, clock, digest.Keys, digest.Sessions)
}

// AbortMove makes the command that refuses a migration for ever, and removes what
// came with as many entries as that takes: installing -> absent.
func AbortMove(number uint64) []byte { return moveCommand(adminAbort, number) }

// moveHandler applies one command. It changes nothing if it returns a reply,
// which is an error.
type moveHandler struct {
	args  int // behind the number
	apply func(s *state, number uint64, a *arguments) *kv.Reply
}

var moveHandlers = map[string]moveHandler{
	adminExport: {2, (*state).export}, adminFreeze: {1, (*state).freeze}, adminSeal: {1, (*state).seal},
	adminThaw: {2, (*state).thaw}, adminCancel: {1, (*state).cancel}, adminDelete: {0, (*state).deleteMoved},
	adminInstall: {4, (*state).install}, adminChunk: {4, (*state).chunk}, adminWipe: {3, (*state).wipe},
	adminActivate: {4, (*state).activate}, adminAbort: {0, (*state).abort},
}

// move applies a migration's command; false if it is none.
func (s *state) move(args [][]byte) (kv.Reply, bool) {
	h, known := moveHandlers[string(args[0])]
	if !known || len(args) != h.args+2 {
		return kv.Reply{}, false
	}
	a := &arguments{rest: args[1:]}
	number := a.number()
	if number == 0 && a.err == nil {
		a.err = fmt.Errorf("a migration has no number")
	}
	var reply *kv.Reply
	if a.err == nil {
		reply = h.apply(s, number, a)
	}
	switch {
	case a.err != nil:
		return kv.ErrorReply(codeRefused + " " + a.err.Error()), true
	case reply != nil:
		return *reply, true
	}
	return kv.OK, true
}

// arguments takes a command's arguments one by one. The first error stays: a
// handler must look at it before it changes anything.
type arguments struct {
	rest [][]byte
	err  error
}

func (a *arguments) next() []byte {
	b := a.rest[0]
	a.rest = a.rest[1:]
	return b
}

func (a *arguments) number() uint64 {
	text := a.next()
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("%.40q is no number", text)
	}
	return n
}

func (a *arguments) slots() []shard.Range {
	ranges, err := shard.ParseRanges(string(a.next()))
	if err != nil && a.err == nil {
		a.err = err
	}
	return ranges
}
