// Package command is the table of Redis commands: what each is called, takes
// and touches, and, for those that work on data, how it is executed on a store.
// Execution is deterministic: every replica that applies a command to the same
// state gets the same state and the same reply.
package command

import (
	"bytes"
	"fmt"
	"strings"

	"raftkv/kv"
	"raftkv/kv/store"
	"raftkv/shard"
)

// Ctx is what a command is executed with.
type Ctx struct {
	Store *store.Store
	// MaxValue bounds, in bytes, values that commands build up.
	MaxValue int
	// Now is the wall clock in ms for the replies of TTL and PTTL, which may not
	// stand still while no entry moves the log's clock. 0: the log's clock.
	Now int64
}

func (c *Ctx) now() int64 { return max(c.Now, c.Store.Clock()) }

// Exec executes a command whose arity has been checked.
type Exec func(c *Ctx, args [][]byte) kv.Reply

// Spec describes one command as COMMAND does.
type Spec struct {
	Name  string // lower case
	Arity int    // with the name; negative: at least
	Flags []string
	// FirstKey, LastKey and Step tell where keys stand; LastKey -1 is the last
	// argument. FirstKey 0: no keys.
	FirstKey, LastKey, Step int
	Categories              []string // of ACLs, with @
	Group, Since, Summary   string   // for COMMAND DOCS
	Arguments               []Argument
	Subcommands             []*Spec  // of a container such as CLIENT; their names are such as client|list
	Tips                    []string // for clients that send one command to several nodes

	// Exec is nil for commands that the connection handles.
	Exec Exec

	write, denyOOM bool
}

// Write tells whether the command may change data. Writes go through the log.
func (s *Spec) Write() bool { return s.write }

// DenyOOM tells whether the command is refused when memory is full.
func (s *Spec) DenyOOM() bool { return s.denyOOM }

// container tells whether the command does nothing but what it holds.
func (s *Spec) container() bool { return len(s.Subcommands) > 0 && s.Arity != -1 }

// word is the name by which a container knows what it holds.
func (s *Spec) word() string {
	_, word, _ := strings.Cut(s.Name, "|")
	return word
}

// Check returns an error if the arguments, name included, do not fit: their number, or
// what a container holds.
func (s *Spec) Check(args [][]byte) error {
	if err := s.CheckArity(len(args)); err != nil {
		return err
	}
	if len(s.Subcommands) == 0 || len(args) == 1 {
		return nil
	}
	if sub := s.Held(args[1]); sub != nil {
		return sub.CheckArity(len(args))
	}
	return UnknownSubcommand(args)
}

// Held returns what a container holds by that name, in any case, or nil.
func (s *Spec) Held(word []byte) *Spec {
	for _, sub := range s.Subcommands {
		if strings.EqualFold(sub.word(), string(word)) {
			return sub
		}
	}
	return nil
}

// CheckArity returns an error if n arguments, name included, do not fit.
func (s *Spec) CheckArity(n int) error {
	if n == s.Arity || s.Arity < 0 && n >= -s.Arity {
		return nil
	}
	return WrongArity(s.Name)
}

// WrongArity is Redis's error for a command with too few or many arguments.
func WrongArity(name string) kv.ReplyError {
	return kv.ReplyError(fmt.Sprintf("ERR wrong number of arguments for '%s' command", name))
}

// AppendKeys appends the command's keys to dst.
func (s *Spec) AppendKeys(dst, args [][]byte) [][]byte {
	if s.FirstKey == 0 {
		return dst
	}
	for i := s.FirstKey; i <= s.lastKey(len(args)); i += s.Step {
		dst = append(dst, args[i])
	}
	return dst
}

func (s *Spec) lastKey(n int) int {
	last := s.LastKey
	if last < 0 {
		last += n
	}
	return min(last, n-1)
}

// Slot returns the slot that all keys of the command share, and whether it has
// keys; the error, if not empty, is CROSSSLOT.
func (s *Spec) Slot(args [][]byte) (slot uint16, hasKeys bool, err kv.ReplyError) {
	if s.FirstKey == 0 || s.FirstKey >= len(args) {
		return 0, false, ""
	}
	slot = shard.Slot(args[s.FirstKey])
	for i := s.FirstKey + s.Step; i <= s.lastKey(len(args)); i += s.Step {
		if shard.Slot(args[i]) != slot {
			return 0, true, kv.ErrCrossSlot
		}
	}
	return slot, true, ""
}

// Lookup finds a command by its name in any case, or returns nil.
func Lookup(name []byte) *Spec {
	var buf [32]byte
	if len(name) > len(buf) {
		return nil
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return byName[string(buf[:len(name)])]
}

// Find returns a command as Lookup does, or what a container holds by a name such as
// client|list.
func Find(name []byte) *Spec { return byFullName[strings.ToLower(string(name))] }

// All returns the whole table in order of names. It must not be changed.
func All() []*Spec { return table }

// UnknownCommand is Redis's error for a command that does not exist.
func UnknownCommand(args [][]byte) kv.ReplyError {
	var b strings.Builder
	for _, a := range args[1:] {
		if b.Len() >= 128 {
			break
		}
		fmt.Fprintf(&b, "'%s' ", shown(a, 128-b.Len()))
	}
	return kv.ReplyError(fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", shown(args[0], 128), b.String()))
}

// UnknownSubcommand is Redis's error for a sub-command that does not exist.
func UnknownSubcommand(args [][]byte) kv.ReplyError {
	return kv.ReplyError(fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", shown(args[1], 128), strings.ToUpper(string(args[0]))))
}

// shown cuts an argument to n bytes, and as Redis does at a zero byte.
func shown(arg []byte, n int) []byte {
	arg, _, _ = bytes.Cut(arg, []byte{0})
	return arg[:min(len(arg), n)]
}
