package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv"
	"raftkv/shard"
)

// moved is what became of a migration.
type moved struct {
	shard.Migration
	State string `json:"state"`
	// Progress is what was last heard while it was under way, if it took long.
	Progress *kv.MoveProgress `json:"progress,omitempty"`
}

// States of a migration that was asked for.
const (
	moveUnderWay = "under way"
	moveDone     = "done"
	moveUndone   = "undone"
)

// moveResult is the JSON of `raftkv slots move`.
type moveResult struct {
	Epoch      uint64        `json:"epoch"`
	There      []shard.Range `json:"there"` // slots that were there before
	Migrations []moved       `json:"migrations"`
}

func newSlotsMove() *cobra.Command {
	var where admin
	var slots, reason string
	var to int64
	var wait bool
	cmd := &cobra.Command{
		Use:   "move",
		Short: "Move slots to a group while clients work, and wait until they are there",
		Long: `Move slots to a group while clients work: one migration for each group that has
some of them. Slots that the group owns already stay. Ctrl-C ends the wait alone;
'raftkv migrations cancel' undoes a move. The balancer goes on balancing: turn it
off if the slots shall stay where they are put.`,
		Example: `  raftkv slots move --slots 0-99,512 --to 2
  raftkv slots move --slots 0-5460 --to 3 --reason "n1 is slow" --wait=false`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ranges, err := shard.ParseRanges(slots)
			if err == nil && (to < 1 || to > math.MaxUint32) {
				err = errors.New("--to takes the number of a group; `raftkv group list` shows them")
			}
			if err != nil {
				return misuse{err}
			}
			var move kv.Move
			order := map[string]any{"slots": ranges, "to": to, "reason": reason}
			if err := where.order(cmd.Context(), http.MethodPost, "/v1/migrations", order, &move); err != nil {
				return err
			}
			result := moveResult{Epoch: move.Epoch, There: move.There}
			for _, x := range move.Migrations {
				result.Migrations = append(result.Migrations, moved{Migration: x, State: moveUnderWay})
			}
			if len(move.Migrations) == 0 {
				result.Migrations = []moved{}
				return where.say(cmd, result, "nothing to do: group %d owns these slots", to)
			}
			for _, x := range move.Migrations {
				where.progress(cmd, "%s", migrationText(x))
			}
			if wait {
				if err := where.follow(cmd, &result); err != nil {
					return err
				}
			}
			return where.tell(cmd, result, uint32(to))
		},
	}
	f := cmd.Flags()
	where.add(f)
	f.StringVar(&slots, "slots", "", "slots and ranges of slots, such as 0-99,512")
	f.Int64Var(&to, "to", 0, "the group that gets them")
	f.StringVar(&reason, "reason", "ordered by a person", "why, for those who look at migrations and events")
	f.BoolVar(&wait, "wait", true, "wait until the slots are there")
	return cmd
}

// follow waits until all migrations of result have ended, and tells of each.
func (a *admin) follow(cmd *cobra.Command, result *moveResult) error {
	start := time.Now()
	told := start
	err := await(cmd.Context(), math.MaxInt64, "the migrations", func(ctx context.Context) (bool, error) {
		m, err := a.shardMap(ctx)
		if err != nil {
			return false, nil // the next node may answer
		}
		left := 0
		for i := range result.Migrations {
			x := &result.Migrations[i]
			if x.State == moveUnderWay {
				x.settle(m)
				if x.State != moveUnderWay {
					a.progress(cmd, "migration %d: %s after %v", x.Epoch, x.State, time.Since(start).Round(time.Millisecond))
				}
			}
			if x.State == moveUnderWay {
				left++
			}
		}
		result.Epoch = max(result.Epoch, m.Epoch)
		if left > 0 && time.Since(told) > 2*time.Second {
			told = time.Now()
			a.tellProgress(ctx, cmd, result)
		}
		return left == 0, nil
	})
	if errors.Is(err, context.Canceled) {
		return errors.New("the wait was ended, and the migrations go on: `raftkv migrations` shows them, and cancels them")
	}
	return err
}

// tellProgress tells how far the migrations are.
func (a *admin) tellProgress(ctx context.Context, cmd *cobra.Command, result *moveResult) {
	var list []kv.Migration
	if _, err := a.fetch(ctx, "/v1/migrations", &list); err != nil {
		return // the controller changes its leader
	}
	for i := range result.Migrations {
		x := &result.Migrations[i]
		for _, now := range list {
			if x.State == moveUnderWay && now.Epoch == x.Epoch && now.Progress != nil {
				x.Progress = now.Progress
				a.progress(cmd, "migration %d %v after %v", x.Epoch, now.Progress, elapsed(*now.Progress))
			}
		}
	}
}

func elapsed(p kv.MoveProgress) time.Duration {
	return (time.Duration(p.ElapsedMS) * time.Millisecond).Round(100 * time.Millisecond)
}

// settle notes what became of the migration by the sight of a map.
func (x *moved) settle(m *shard.Map) {
	if m.Epoch <= x.Epoch {
		return // the map of a node that lags behind
	}
	for _, other := range m.Migrations {
		if other.Epoch == x.Epoch {
			x.Canceled = other.Canceled
			return
		}
	}
	// Slots that have moved on since have been there.
	x.State = moveDone
	for slot := range shard.Each(x.Slots) {
		if m.Owner[slot] == x.From {
			x.State = moveUndone
		}
	}
}

// tell prints the result. It is an error if a migration was undone.
func (a *admin) tell(cmd *cobra.Command, result moveResult, to uint32) error {
	slots, states := 0, make(map[string]int)
	for _, x := range result.Migrations {
		states[x.State]++
		slots += slotCount(x.Slots)
	}
	text := fmt.Sprintf("%s moved to group %d", count(slots, "slot"), to)
	if states[moveUnderWay] > 0 {
		text = fmt.Sprintf("%s on the way to group %d: `raftkv migrations` shows them", count(slots, "slot"), to)
	}
	if states[moveUndone] > 0 {
		text = fmt.Sprintf("%d of %s undone; the slots stay where they were", states[moveUndone], count(len(result.Migrations), "migration"))
	}
	if there := slotCount(result.There); there > 0 {
		were := "were"
		if there == 1 {
			were = "was"
		}
		text += fmt.Sprintf("; %d %s there before", there, were)
	}
	if err := a.say(cmd, result, "%s", text); err != nil || states[moveUndone] == 0 {
		return err
	}
	return errors.New("not all slots have moved: somebody canceled it, or the node's log says why it could not be done")
}

// migrationText describes a migration in a line.
func migrationText(x shard.Migration) string {
	text := fmt.Sprintf("migration %d: %s %s from group %d to group %d", x.Epoch, shard.Noun(x.Slots), shard.FormatRanges(x.Slots), x.From, x.To)
	if x.Reason != "" {
		text += " (" + x.Reason + ")"
	}
	if x.Canceled {
		text += ", is being undone"
	}
	return text
}
