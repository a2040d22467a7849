package fsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/migrate"
)

// Leader is a group on the node that leads it.
type Leader interface {
	// Admin proposes an admin command and waits until it is applied here. A
	// refusal is a kv.ReplyError.
	Admin(command []byte) error
	// ReadIndex waits until all is applied that had been acknowledged when it was
	// called, and fails if the node does not lead.
	ReadIndex(ctx context.Context) error
	State() *FSM
}

// Move executes a migration's command on its group's leader and returns what the
// log says then; without a command, it only asks. It is what a node does for the
// drivers of others: it takes no other commands.
func Move(ctx context.Context, g Leader, number uint64, command []byte) (migrate.Status, error) {
	if len(command) == 0 {
		if err := g.ReadIndex(ctx); err != nil {
			return migrate.Status{}, err
		}
		return g.State().Migration(number), nil
	}
	known := false
	err := EachCommand(command, func(args [][]byte) { _, known = moveHandlers[string(args[0])] })
	if err != nil || !known {
		return migrate.Status{}, fmt.Errorf("%.40q is no command of a migration", command)
	}
	if err := ctx.Err(); err != nil {
		return migrate.Status{}, err
	}
	err = g.Admin(command)
	return g.State().Migration(number), err
}

// errorOf makes an error of package migrate from a refusal, which may have
// travelled as text.
func errorOf(err error) error {
	var reply kv.ReplyError
	if !errors.As(err, &reply) {
		return err
	}
	for code, e := range map[string]error{
		codeActivated: migrate.ErrActivated, codeEnded: migrate.ErrEnded, codeOutdated: migrate.ErrOutdated,
		codeSealed: migrate.ErrSealed, codeMismatch: migrate.ErrMismatch, codeRefused: migrate.ErrRefused,
	} {
		if reply.Code() == code {
			_, text, _ := bytes.Cut([]byte(reply), []byte(" "))
			return fmt.Errorf("%w: %s", e, text)
		}
	}
	return err
}

// Source is a group that gives slots away, on the node that leads it.
type Source struct{ Group Leader }

var _ migrate.Source = Source{}

func (s Source) do(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
	st, err := Move(ctx, s.Group, number, command)
	return st, errorOf(err)
}

func (s Source) Status(ctx context.Context, number uint64) (migrate.Status, error) {
	return s.do(ctx, number, nil)
}

func (s Source) Begin(ctx context.Context, m shard.Migration) error {
	_, err := s.do(ctx, m.Epoch, ExportSlots(m))
	return err
}

func (s Source) View(ctx context.Context, number uint64) (*migrate.View, error) {
	if err := s.Group.ReadIndex(ctx); err != nil {
		return nil, err
	}
	if v, ok := s.Group.State().Export(number); ok {
		return v, nil
	}
	return nil, fmt.Errorf("%w: the slots are not on their way out", migrate.ErrEnded)
}

func (s Source) Freeze(ctx context.Context, number, attempt uint64) error {
	_, err := s.do(ctx, number, FreezeSlots(number, attempt))
	return err
}

func (s Source) Seal(ctx context.Context, number, attempt uint64) error {
	_, err := s.do(ctx, number, SealSlots(number, attempt))
	return err
}

func (s Source) Thaw(ctx context.Context, number, attempt uint64, fenced bool) error {
	_, err := s.do(ctx, number, ThawSlots(number, attempt, fenced))
	return err
}

func (s Source) Cancel(ctx context.Context, number uint64, fenced bool) error {
	_, err := s.do(ctx, number, CancelMove(number, fenced))
	return err
}

func (s Source) Delete(ctx context.Context, number uint64) (migrate.Status, error) {
	return s.do(ctx, number, DeleteMoved(number))
}

// Target is a group that takes slots. The function executes Move on its leader,
// wherever that is; refusals must come back as kv.ReplyErrors.
type Target func(ctx context.Context, number uint64, command []byte) (migrate.Status, error)

var _ migrate.Target = Target(nil)

func (t Target) do(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
	st, err := t(ctx, number, command)
	return st, errorOf(err)
}

func (t Target) Status(ctx context.Context, number uint64) (migrate.Status, error) {
	return t.do(ctx, number, nil)
}

func (t Target) Install(ctx context.Context, m shard.Migration, attempt, run uint64) (migrate.Status, error) {
	return t.do(ctx, m.Epoch, InstallSlots(m, attempt, run))
}

func (t Target) Chunk(ctx context.Context, number, run, seq, through uint64, b []byte) error {
	_, err := t.do(ctx, number, InstallChunk(number, run, seq, through, b))
	return err
}

func (t Target) Wipe(ctx context.Context, number, run, seq uint64, all bool) (migrate.Status, error) {
	return t.do(ctx, number, WipeInstalled(number, run, seq, all))
}

func (t Target) Activate(ctx context.Context, number, attempt uint64, clock int64, digest migrate.Digest) error {
	_, err := t.do(ctx, number, ActivateSlots(number, attempt, clock, digest))
	return err
}

func (t Target) Abort(ctx context.Context, number uint64) (migrate.Status, error) {
	return t.do(ctx, number, AbortMove(number))
}
