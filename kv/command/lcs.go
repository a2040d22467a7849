package command

import (
	"raftkv/kv"
)

// maxLCS bounds the table of LCS, in cells: the command holds the read lock.
const maxLCS = 64 << 20

func lcs(c *Ctx, a [][]byte) kv.Reply {
	var wantLen, wantIdx, withLen bool
	var minLen int64
	for i := 3; i < len(a); i++ {
		switch {
		case isOption(a[i], "len"):
			wantLen = true
		case isOption(a[i], "idx"):
			wantIdx = true
		case isOption(a[i], "withmatchlen"):
			withLen = true
		case isOption(a[i], "minmatchlen") && i+1 < len(a):
			i++
			var ok bool
			if minLen, ok = parseInt(a[i]); !ok {
				return errNotInteger.Reply()
			}
		default:
			return errSyntax.Reply()
		}
	}
	if wantLen && wantIdx {
		return kv.ErrorReply("ERR If you want both the length and indexes, please just use IDX.")
	}
	x, _ := c.Store.Get(a[1])
	y, _ := c.Store.Get(a[2])
	if (len(x.Value)+1)*(len(y.Value)+1) > maxLCS {
		return kv.ErrorReply("ERR String too long for LCS")
	}
	common, matches := longestCommon(x.Value, y.Value)
	switch {
	case wantLen:
		return kv.IntReply(int64(len(common)))
	case !wantIdx:
		return kv.BulkReply(common)
	}
	list := []kv.Reply{}
	for _, m := range matches {
		n := int64(m.n)
		if n < minLen {
			continue
		}
		match := []kv.Reply{span(m.x, m.n), span(m.y, m.n)}
		if withLen {
			match = append(match, kv.IntReply(n))
		}
		list = append(list, kv.ArrayReply(match...))
	}
	return kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
		kv.BulkString("matches"), {Kind: kv.Array, Elems: list},
		kv.BulkString("len"), kv.IntReply(int64(len(common))),
	}}
}

func span(at, n int) kv.Reply {
	return kv.ArrayReply(kv.IntReply(int64(at)), kv.IntReply(int64(at+n-1)))
}

// commonRun is a run of n equal bytes at x in the first and y in the second
// string.
type commonRun struct{ x, y, n int }

// longestCommon returns a longest common subsequence and its runs, the last one
// first, as Redis reports them.
func longestCommon(x, y []byte) ([]byte, []commonRun) {
	width := len(y) + 1
	table := make([]uint32, (len(x)+1)*width)
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			if x[i-1] == y[j-1] {
				table[i*width+j] = table[(i-1)*width+j-1] + 1
			} else {
				table[i*width+j] = max(table[(i-1)*width+j], table[i*width+j-1])
			}
		}
	}
	common := make([]byte, table[len(x)*width+len(y)])
	var runs []commonRun
	at := len(common)
	for i, j := len(x), len(y); i > 0 && j > 0; {
		switch {
		case x[i-1] == y[j-1]:
			at--
			common[at] = x[i-1]
			if n := len(runs); n > 0 && runs[n-1].x == i && runs[n-1].y == j {
				runs[n-1].x, runs[n-1].y, runs[n-1].n = i-1, j-1, runs[n-1].n+1
			} else {
				runs = append(runs, commonRun{i - 1, j - 1, 1})
			}
			i, j = i-1, j-1
		case table[(i-1)*width+j] > table[i*width+j-1]:
			i--
		default:
			j--
		}
	}
	return common, runs
}
