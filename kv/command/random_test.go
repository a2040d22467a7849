package command

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// templates are commands whose words in angle brackets are drawn.
var templates = []string{
	"GET <key>", "SET <key> <value>", "SET <key> <value> <setopt>", "SET <key> <value> <setopt> <setopt>", "SET <key> <value> <setopt> <setopt> <setopt>",
	"SETNX <key> <value>", "SETEX <key> <relative> <value>", "PSETEX <key> <relativems> <value>", "GETSET <key> <value>", "GETDEL <key>",
	"GETEX <key>", "GETEX <key> <getexopt>", "GETEX <key> <getexopt> <getexopt>", "MGET <key> <key> <key>", "MSET <key> <value> <key> <value>", "MSETNX <key> <value> <key> <value>",
	"APPEND <key> <value>", "STRLEN <key>", "GETRANGE <key> <int> <int>", "SUBSTR <key> <int> <int>", "SETRANGE <key> <offset> <value>",
	"INCR <key>", "DECR <key>", "INCRBY <key> <int>", "DECRBY <key> <int>", "INCRBYFLOAT <key> <float>", "INCRBYFLOAT <key> <value>",
	"LCS <key> <key>", "LCS <key> <key> <lcsopt>", "LCS <key> <key> <lcsopt> <lcsopt>",
	"DEL <key>", "DEL <key> <key>", "UNLINK <key> <key>", "EXISTS <key> <key> <key>", "TOUCH <key>", "TYPE <key>", "KEYS <pattern>", "SCAN 0 COUNT 100 MATCH <pattern>",
	"RENAME <key> <key>", "RENAMENX <key> <key>", "COPY <key> <key>", "COPY <key> <key> REPLACE",
	"EXPIRE <key> <relative>", "PEXPIRE <key> <relativems>", "EXPIRE <key> <relative> <nxxx>", "EXPIREAT <key> <at>", "EXPIREAT <key> <at> <expireopt>", "EXPIREAT <key> <at> <expireopt> <expireopt>",
	"PEXPIREAT <key> <atms>", "PEXPIREAT <key> <atms> <expireopt>", "PERSIST <key>",
	"TTL <key>", "PTTL <key>", "EXPIRETIME <key>", "PEXPIRETIME <key>", "FLUSHALL",
}

// choices say what may stand for a word in angle brackets; a space separates
// arguments. Relative times lie far apart and far off, so that it does not
// matter that two clocks are read, and GT and LT come with absolute ones only.
var choices = map[string][]string{
	"key":        {"{t}a", "{t}b", "{t}c"},
	"int":        {"0", "1", "-1", "2", "-2", "5", "100", "-100", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "x", "01"},
	"offset":     {"0", "1", "3", "7", "-1", "2000000", "x"},
	"relative":   {"1000", "100000", "1000", "100000", "0", "-1", "x", "9223372036854775807"},
	"relativems": {"1000000", "100000000", "0", "-1", "1.5", "9223372036854775807"},
	"at":         {"4102444800", "4102444801", "4102444802", "1", "0", "-5", "9223372036854776"},
	"atms":       {"4102444800000", "4102444800499", "4102444800500", "4102444801000", "1", "0"},
	"setopt": {"NX", "XX", "GET", "KEEPTTL", "nx", "xx", "get", "keepttl", "EX 1000", "PX 100000000", "EXAT 4102444800", "PXAT 4102444801500", "PXAT 1",
		"EX 0", "EX x", "PX -1", "EX", "BAD", "PERSIST"},
	"getexopt":  {"PERSIST", "EX 1000", "PX 100000000", "EXAT 4102444800", "PXAT 4102444801500", "PXAT 1", "EX 0", "PX x", "EX", "BAD", "KEEPTTL"},
	"nxxx":      {"NX", "XX", "nx", "BAD"},
	"expireopt": {"NX", "XX", "GT", "LT", "gt", "lt", "BAD"},
	"lcsopt":    {"LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN 2", "MINMATCHLEN 0", "MINMATCHLEN x", "BAD"},
	"pattern":   {"*", "{t}*", "*[ab]", "*[^a]", "?t?c", "none"},
}

// values have to be drawn as they are: they hold spaces.
var values = []string{"", "0", "1", "-1", "10", "12", "007", " 1", "1.5", "-2.5", "1e3", "0.1", "hello", "help", "ohmytext", "abab", "\x00\xff", "inf", "nan",
	"9223372036854775807", "-9223372036854775808", "1e-20", "0x1f"}

// draw makes a command of a template.
func draw(t *rapid.T) [][]byte {
	var args [][]byte
	for _, word := range strings.Fields(rapid.SampledFrom(templates).Draw(t, "command")) {
		kind, drawn := strings.CutPrefix(word, "<")
		kind = strings.TrimSuffix(kind, ">")
		switch {
		case !drawn:
			args = append(args, []byte(word))
		case kind == "value":
			args = append(args, []byte(rapid.SampledFrom(values).Draw(t, kind)))
		case kind == "float":
			args = append(args, []byte(floats().Draw(t, kind)))
		default:
			for _, a := range strings.Fields(rapid.SampledFrom(choices[kind]).Draw(t, kind)) {
				args = append(args, []byte(a))
			}
		}
	}
	return args
}

// floats draws decimal numbers as people and programs write them.
func floats() *rapid.Generator[string] {
	return rapid.StringMatching(`[-+]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][-+]?[0-9]{1,2})?`)
}

// isTime tells whether a command's reply is a time.
func isTime(name []byte) bool {
	return strings.Contains("TTL PTTL EXPIRETIME PEXPIRETIME", strings.ToUpper(string(name)))
}

func TestRandomCommandsLikeRedis(t *testing.T) {
	socket := startRedis(t)
	for _, version := range []int{2, 3} {
		p := newPair(dialRedis(t, socket), version)
		rapid.Check(t, func(rt *rapid.T) {
			p.flush()
			for range rapid.IntRange(1, 60).Draw(rt, "commands") {
				args := draw(rt)
				p.compare(rt, isTime(args[0]), args...)
			}
			// redis-server counts keys that it has not yet found to be expired.
			p.redis.doWords(append([]string{"EXISTS"}, choices["key"]...)...)
			p.compareState(rt)
		})
	}
}

func TestFloatsLikeRedis(t *testing.T) {
	p := newPair(dialRedis(t, startRedis(t)), 2)
	rapid.Check(t, func(rt *rapid.T) {
		p.compare(rt, false, []byte("SET"), []byte("a"), []byte(floats().Draw(rt, "start")))
		for range 5 {
			p.compare(rt, false, []byte("INCRBYFLOAT"), []byte("a"), []byte(floats().Draw(rt, "increment")))
		}
	})
}

func TestLCSLikeRedis(t *testing.T) {
	p := newPair(dialRedis(t, startRedis(t)), 3)
	texts := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 12, -1)
	rapid.Check(t, func(rt *rapid.T) {
		p.compare(rt, false, []byte("MSET"), []byte("{t}a"), []byte(texts.Draw(rt, "a")), []byte("{t}b"), []byte(texts.Draw(rt, "b")))
		p.compare(rt, false, []byte("LCS"), []byte("{t}a"), []byte("{t}b"))
		p.compare(rt, false, []byte("LCS"), []byte("{t}a"), []byte("{t}b"), []byte("LEN"))
		p.compare(rt, false, []byte("LCS"), []byte("{t}a"), []byte("{t}b"), []byte("IDX"), []byte("WITHMATCHLEN"))
	})
}

func TestGlobLikeRedis(t *testing.T) {
	p := newPair(dialRedis(t, startRedis(t)), 2)
	for _, key := range []string{"a", "b", "ab", "ba", "aab", "abb", "]", "[", "^", "-", "\\", "a]", "[a", "a-b", "a^b", "a\\b", "^-", "*", "?", "a*", "aaaa", "abab"} {
		p.compare(t, false, []byte("SET"), []byte(key), nil)
	}
	patterns := rapid.StringOfN(rapid.SampledFrom([]rune(`ab*?[]^-\`)), 0, 10, -1)
	rapid.Check(t, func(rt *rapid.T) {
		for range 10 {
			p.compare(rt, false, []byte("KEYS"), []byte(patterns.Draw(rt, "pattern")))
		}
	})
}
