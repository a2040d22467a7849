package command

import (
	"bufio"
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/kv/store"
)

// maxTestValue is the largest value in bytes, here and in redis-server.
const maxTestValue = 1 << 20

// tolerance is how far times may lie apart: two clocks are read one after the
// other, on a machine that may be busy. In ms, and for whole seconds in s.
const (
	toleranceMS      = 8000
	toleranceSeconds = 8
)

// local executes commands as the state machine of a group does.
type local struct {
	ctx   Ctx
	index uint64
}

func newLocal() *local { return &local{ctx: Ctx{Store: store.New(), MaxValue: maxTestValue}} }

func (l *local) do(args ...[]byte) kv.Reply {
	l.index++
	l.ctx.Store.Advance(time.Now().UnixMilli(), l.index)
	spec := Lookup(args[0])
	if spec == nil || spec.Exec == nil {
		return UnknownCommand(args).Reply()
	}
	if err := spec.CheckArity(len(args)); err != nil {
		return kv.ErrorReply(err.Error())
	}
	if _, _, err := spec.Slot(args); err != "" {
		return err.Reply()
	}
	return spec.Exec(&l.ctx, args)
}

func (l *local) doWords(args ...string) kv.Reply {
	var words [][]byte
	for _, a := range args {
		words = append(words, []byte(a))
	}
	return l.do(words...)
}

// pair executes commands on raftkv and on redis-server and compares.
type pair struct {
	local   *local
	redis   *redisConn
	version int
}

func newPair(redis *redisConn, version int) *pair {
	redis.doWords("HELLO", strconv.Itoa(version))
	p := &pair{redis: redis, version: version}
	p.flush()
	return p
}

func (p *pair) flush() {
	p.redis.doWords("FLUSHALL")
	p.local = newLocal()
}

// compare executes a command on both; about says that numbers may differ as
// times do.
func (p *pair) compare(t rapid.TB, about bool, args ...[]byte) {
	t.Helper()
	theirs := p.redis.do(args...)
	reply := p.local.do(args...)
	ours := resp.AppendReply(nil, &reply, p.version)
	if strings.EqualFold(string(args[0]), "keys") || strings.EqualFold(string(args[0]), "scan") {
		ours, theirs = sorted(t, ours, p.version), sorted(t, theirs, p.version)
	}
	if bytes.Equal(ours, theirs) || about && nearly(ours, theirs, strings.HasPrefix(strings.ToLower(string(args[0])), "p")) {
		return
	}
	t.Errorf("%q\n  raftkv %.300q\n  redis  %.300q", args, ours, theirs)
}

// nearly tells whether two replies are times that differ by the pause between
// two commands.
func nearly(ours, theirs []byte, milliseconds bool) bool {
	limit := float64(toleranceSeconds)
	if milliseconds {
		limit = toleranceMS
	}
	a, errA := strconv.ParseInt(strings.Trim(string(ours), ":\r\n"), 10, 64)
	b, errB := strconv.ParseInt(strings.Trim(string(theirs), ":\r\n"), 10, 64)
	return errA == nil && errB == nil && ours[0] == ':' && theirs[0] == ':' && a >= 0 && b >= 0 && math.Abs(float64(a-b)) <= limit
}

// sorted sorts the elements of arrays: the order of keys is nobody's promise.
func sorted(t rapid.TB, raw []byte, version int) []byte {
	t.Helper()
	r, err := resp.ReadReply(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatalf("reply %q: %v", raw, err)
	}
	sortKeys(&r)
	return resp.AppendReply(nil, &r, version)
}

func sortKeys(r *kv.Reply) {
	if len(r.Elems) == 2 && r.Elems[1].Kind == kv.Array { // of SCAN
		sortKeys(&r.Elems[1])
		return
	}
	slices.SortFunc(r.Elems, func(a, b kv.Reply) int { return bytes.Compare(a.Str, b.Str) })
}

// compareState compares all keys with their values and times.
func (p *pair) compareState(t rapid.TB) {
	t.Helper()
	p.compare(t, false, []byte("DBSIZE"))
	p.compare(t, false, []byte("KEYS"), []byte("*"))
	all := p.local.doWords("KEYS", "*")
	for _, key := range all.Elems {
		p.compare(t, false, []byte("GET"), key.Str)
		p.compare(t, true, []byte("PEXPIRETIME"), key.Str)
	}
}
