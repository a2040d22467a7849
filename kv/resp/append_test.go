package resp

import (
	"testing"

	"pgregory.net/rapid"

	"raftkv/kv"
)

func TestAppendReply(t *testing.T) {
	one := []kv.Reply{kv.SimpleReply("k"), kv.IntReply(1)}
	for _, c := range []struct {
		reply        kv.Reply
		resp2, resp3 string
	}{
		{kv.Reply{}, "$-1\r\n", "_\r\n"},
		{kv.Reply{Kind: kv.NilArray}, "*-1\r\n", "_\r\n"},
		{kv.OK, "+OK\r\n", "+OK\r\n"},
		{kv.ErrorReply("ERR no\r\n+OK\r\n"), "-ERR no  +OK  \r\n", "-ERR no  +OK  \r\n"},
		{kv.IntReply(-5), ":-5\r\n", ":-5\r\n"},
		{kv.BulkReply(nil), "$0\r\n\r\n", "$0\r\n\r\n"},
		{kv.BulkString("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"},
		{kv.Reply{Kind: kv.Double, Str: []byte("1.5")}, "$3\r\n1.5\r\n", ",1.5\r\n"},
		{kv.Reply{Kind: kv.Bool, Int: 1}, ":1\r\n", "#t\r\n"},
		{kv.Reply{Kind: kv.Bool}, ":0\r\n", "#f\r\n"},
		{kv.Reply{Kind: kv.Verbatim, Str: []byte("hi")}, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{kv.ArrayReply(), "*0\r\n", "*0\r\n"},
		{kv.ArrayReply(one...), "*2\r\n+k\r\n:1\r\n", "*2\r\n+k\r\n:1\r\n"},
		{kv.Reply{Kind: kv.Set, Elems: one}, "*2\r\n+k\r\n:1\r\n", "~2\r\n+k\r\n:1\r\n"},
		{kv.Reply{Kind: kv.Map, Elems: one}, "*2\r\n+k\r\n:1\r\n", "%1\r\n+k\r\n:1\r\n"},
	} {
		if got := string(AppendReply(nil, &c.reply, 2)); got != c.resp2 {
			t.Errorf("%v in RESP2: %q, want %q", c.reply, got, c.resp2)
		}
		if got := string(AppendReply([]byte("x"), &c.reply, 3)); got != "x"+c.resp3 {
			t.Errorf("%v in RESP3: %q, want %q", c.reply, got, "x"+c.resp3)
		}
	}
}

// replies draws replies of all kinds, nested depth times at most.
func replies(depth int) *rapid.Generator[kv.Reply] {
	return rapid.Custom(func(t *rapid.T) kv.Reply {
		last := kv.Map
		if depth == 0 {
			last = kv.Verbatim
		}
		r := kv.Reply{Kind: kv.Kind(rapid.IntRange(0, int(last)).Draw(t, "kind"))}
		switch r.Kind {
		case kv.Int:
			r.Int = rapid.Int64().Draw(t, "int")
		case kv.Bool:
			r.Int = rapid.Int64Range(0, 1).Draw(t, "bool")
		case kv.Simple, kv.Error, kv.Bulk, kv.Double, kv.Verbatim:
			r.Str = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes")
		case kv.Array, kv.Set, kv.Map:
			n := rapid.IntRange(0, 3).Draw(t, "elems")
			if r.Kind == kv.Map {
				n *= 2
			}
			for range n {
				r.Elems = append(r.Elems, replies(depth-1).Draw(t, "elem"))
			}
		}
		return r
	})
}

func TestRepliesSurviveTheTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := replies(4).Draw(rt, "reply")
		roundTrip(rt, r)
	})
}

func TestCommandsSurviveTheTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		commands := rapid.SliceOfN(rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 20), 1, 5), 0, 5).Draw(rt, "commands")
		var raw []byte
		for _, c := range commands {
			raw = AppendCommand(raw, c...)
		}
		got := sameInPieces(rt, parseCommand, raw)
		if len(got) != len(commands) {
			rt.Fatalf("%d commands became %d", len(commands), len(got))
		}
		for i, c := range commands {
			for j, arg := range c {
				if got[i][j] != string(arg) {
					rt.Fatalf("%q became %q", c, got[i])
				}
			}
		}
	})
}
