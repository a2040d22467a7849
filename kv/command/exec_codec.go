package command

import (
	"errors"
	"fmt"
	"strconv"

	"raftkv/kv/resp"
)

// ExecName is the command under which a transaction stands in the log:
//
//	RAFTKV.EXEC watches {key version}... {argc arg...}...
//
// It is flat, so that all that reads commands can read it. Clients send EXEC;
// this one they cannot.
const ExecName = "RAFTKV.EXEC"

// Watch is a watched key with its version (store.Version) when it was read.
type Watch struct {
	Key     []byte
	Version uint64
}

// AppendExec appends a transaction as one RESP array to dst.
func AppendExec(dst []byte, watches []Watch, commands [][][]byte) []byte {
	args := [][]byte{[]byte(ExecName), strconv.AppendInt(nil, int64(len(watches)), 10)}
	for _, w := range watches {
		args = append(args, w.Key, strconv.AppendUint(nil, w.Version, 10))
	}
	for _, c := range commands {
		args = append(append(args, strconv.AppendInt(nil, int64(len(c)), 10)), c...)
	}
	return resp.AppendCommand(dst, args...)
}

// DecodeExec is the reverse of AppendExec. What it returns points into args.
func DecodeExec(args [][]byte) (watches []Watch, commands [][][]byte, err error) {
	if len(args) < 2 {
		return nil, nil, errors.New("transaction without a count of watches")
	}
	n, err := strconv.Atoi(string(args[1]))
	rest := args[2:]
	if err != nil || n < 0 || n > len(rest)/2 {
		return nil, nil, fmt.Errorf("transaction with %q watches", args[1])
	}
	for ; n > 0; n-- {
		version, err := strconv.ParseUint(string(rest[1]), 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("version %q of a watched key", rest[1])
		}
		watches = append(watches, Watch{rest[0], version})
		rest = rest[2:]
	}
	for len(rest) > 0 {
		argc, err := strconv.Atoi(string(rest[0]))
		if err != nil || argc < 1 || argc > len(rest)-1 {
			return nil, nil, fmt.Errorf("command with %q arguments in a transaction", rest[0])
		}
		commands = append(commands, rest[1:1+argc])
		rest = rest[1+argc:]
	}
	return watches, commands, nil
}
