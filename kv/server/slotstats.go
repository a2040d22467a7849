package server

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/shard"
)

// slotStat is what is known of one slot. Redis tells cpu-usec, too, which nobody
// measures here: commands of many slots share an entry, and reads a round.
type slotStat struct {
	slot uint16
	keys int64
	// bytesIn are those of writes, bytesOut those that reads have sent, since the
	// node began to lead the slot's group.
	bytesIn, bytesOut int64
}

// slotMetrics are the words of ORDERBY.
var slotMetrics = map[string]func(slotStat) int64{
	"key-count":         func(s slotStat) int64 { return s.keys },
	"network-bytes-in":  func(s slotStat) int64 { return s.bytesIn },
	"network-bytes-out": func(s slotStat) int64 { return s.bytesOut },
}

// slotStats serves CLUSTER SLOT-STATS as Redis 8.2 does, for the slots that this
// node serves as leader.
func (c *conn) slotStats(a [][]byte) kv.Reply {
	switch {
	case len(a) == 5 && strings.EqualFold(string(a[2]), "slotsrange"):
		return c.slotStatsRange(a[3], a[4])
	case len(a) >= 4 && strings.EqualFold(string(a[2]), "orderby"):
		return c.slotStatsOrdered(strings.ToLower(string(a[3])), a[4:])
	}
	return kv.ErrorReply(fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try CLUSTER HELP.", a[1]))
}

func (c *conn) slotStatsRange(from, to []byte) kv.Reply {
	first, errFirst := strconv.ParseUint(string(from), 10, 16)
	last, errLast := strconv.ParseUint(string(to), 10, 16)
	switch {
	case errFirst != nil || errLast != nil || max(first, last) >= shard.Slots:
		return kv.ErrorReply("ERR Invalid or out of range slot")
	case first > last:
		return kv.ErrorReply(fmt.Sprintf("ERR Start slot number %d is greater than end slot number %d", first, last))
	}
	stats, failed := c.measureSlots(shard.Range{uint16(first), uint16(last)})
	if failed != "" {
		return failed.Reply()
	}
	return slotStatsReply(stats)
}

func (c *conn) slotStatsOrdered(metric string, filters [][]byte) kv.Reply {
	value := slotMetrics[metric]
	if value == nil {
		return kv.ErrorReply("ERR Unrecognized sort metric for ORDERBY.")
	}
	limit, descending := shard.Slots, true
	limits, orders := 0, 0
	for i := 0; i < len(filters); i++ {
		switch word := strings.ToLower(string(filters[i])); {
		case word == "limit" && i+1 < len(filters):
			i++
			var err error
			if limit, err = strconv.Atoi(string(filters[i])); err != nil || limit < 1 || limit > shard.Slots {
				return kv.ErrorReply("ERR Limit has to lie in between 1 and 16384 (maximum number of slots).")
			}
			limits++
		case word == "asc" || word == "desc":
			descending = word == "desc"
			orders++
		default:
			return kv.ErrorReply("ERR syntax error")
		}
		if limits > 1 || orders > 1 {
			return kv.ErrorReply("ERR Multiple filters of the same type are disallowed.")
		}
	}
	stats, failed := c.measureSlots(shard.All)
	if failed != "" {
		return failed.Reply()
	}
	slices.SortStableFunc(stats, func(a, b slotStat) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(value(a), value(b))
	})
	return slotStatsReply(stats[:min(limit, len(stats))])
}

// measureSlots returns what is known of the slots in a range that this node serves
// as leader, by slot.
func (c *conn) measureSlots(in shard.Range) (out []slotStat, failed kv.ReplyError) {
	for _, g := range c.server.node.Led() {
		failed = c.view(g, func(x *command.Ctx) {
			for slot := range shard.Each([]shard.Range{in}) {
				if g.Serves(slot) {
					s := slotStat{slot: slot, keys: int64(x.Store.SlotLen(slot))}
					s.bytesIn, s.bytesOut = g.Heat().Bytes(slot)
					out = append(out, s)
				}
			}
		})
		if failed != "" {
			return nil, failed
		}
	}
	slices.SortFunc(out, func(a, b slotStat) int { return cmp.Compare(a.slot, b.slot) })
	return out, ""
}

func slotStatsReply(stats []slotStat) kv.Reply {
	out := kv.ArrayReply()
	for _, s := range stats {
		out.Elems = append(out.Elems, kv.ArrayReply(kv.IntReply(int64(s.slot)), kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("key-count"), kv.IntReply(s.keys),
			kv.BulkString("network-bytes-in"), kv.IntReply(s.bytesIn),
			kv.BulkString("network-bytes-out"), kv.IntReply(s.bytesOut),
		}}))
	}
	return out
}
