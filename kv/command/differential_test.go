package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"raftkv/kv/resp"
)

// Every line of testdata/redis/*.txt is a command, written as one types it into
// redis-cli, that raftkv must answer as redis-server does, byte by byte in both
// protocol versions. Besides there are
//
//	== words     begins a section with an empty key space
//	~ COMMAND    its reply is a time and may differ a little
//	@gone key    waits until the key has expired in redis-server
func TestRepliesLikeRedis(t *testing.T) {
	socket := startRedis(t)
	files, err := filepath.Glob("testdata/redis/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata: ", err)
	}
	commands := 0
	for _, version := range []int{2, 3} {
		p := newPair(dialRedis(t, socket), version)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprintf("RESP%d/%s", version, filepath.Base(file)), func(t *testing.T) {
				commands += p.script(t, text)
			})
		}
	}
	t.Logf("%d commands compared", commands)
}

// script runs a file and returns how many commands it compared.
func (p *pair) script(t *testing.T, text []byte) (commands int) {
	for number, line := range strings.Split(string(text), "\n") {
		at := lineTB{t, number + 1}
		if strings.HasPrefix(line, "==") {
			p.compareState(at)
			p.flush()
			continue
		}
		args, _, err := resp.ParseInline([]byte(line+"\n"), nil)
		if err != nil {
			t.Fatalf("line %d: %v", number+1, err)
		}
		if len(args) == 0 {
			continue
		}
		switch string(args[0]) {
		case "@gone":
			p.waitGone(t, args[1])
		case "~":
			p.compare(at, true, args[1:]...)
			commands++
		default:
			p.compare(at, false, args...)
			commands++
		}
	}
	p.compareState(t)
	p.flush()
	return commands
}

// lineTB reports failures with the line of the script.
type lineTB struct {
	*testing.T
	line int
}

func (l lineTB) Errorf(format string, args ...any) {
	l.T.Helper()
	l.T.Errorf("line %d: "+format, append([]any{l.line}, args...)...)
}

func (p *pair) waitGone(t *testing.T, key []byte) {
	t.Helper()
	for deadline := time.Now().Add(redisTimeout); !bytes.Equal(p.redis.do([]byte("EXISTS"), key), []byte(":0\r\n")); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q never expires in redis-server", key)
		}
	}
}
