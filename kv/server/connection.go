package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
)

// handler answers a command that the connection handles itself. Arity has been
// checked.
type handler func(c *conn, args [][]byte) kv.Reply

var handlers map[string]handler

func init() { // not a literal: handlers look at the table themselves
	handlers = map[string]handler{
		"asking":       always(kv.OK),
		"auth":         auth,
		"client":       client,
		"cluster":      cluster,
		"command":      commandInfo,
		"config":       config,
		"dbsize":       dbSize,
		"debug":        debug,
		"discard":      discard,
		"echo":         func(c *conn, a [][]byte) kv.Reply { return kv.BulkString(string(a[1])) },
		"exec":         exec,
		"flushall":     flush,
		"flushdb":      flush,
		"function":     function,
		"hello":        hello,
		"info":         info,
		"keys":         scanAll,
		"lastsave":     func(c *conn, _ [][]byte) kv.Reply { return kv.IntReply(c.server.node.Info().LastSave) },
		"latency":      latency,
		"lolwut":       lolwut,
		"memory":       memory,
		"module":       emptyList,
		"multi":        multi,
		"object":       object,
		"ping":         ping,
		"quit":         quit,
		"raftkv.fault": faults,
		"randomkey":    randomKey,
		"readonly":     func(c *conn, _ [][]byte) kv.Reply { c.readonly = true; return kv.OK },
		"readwrite":    func(c *conn, _ [][]byte) kv.Reply { c.readonly = false; return kv.OK },
		"reset":        reset,
		"role":         role,
		"scan":         scanAll,
		"select":       selectDB,
		"slowlog":      slowlog,
		"time":         now,
		"unwatch":      unwatch,
		"wait":         wait,
		"watch":        watch,
	}
}

func always(r kv.Reply) handler { return func(*conn, [][]byte) kv.Reply { return r } }

// unknownSub refuses a sub-command; those that the table does not have never get here.
func unknownSub(args [][]byte) kv.Reply { return command.UnknownSubcommand(args).Reply() }

func ping(c *conn, a [][]byte) kv.Reply {
	switch len(a) {
	case 1:
		return kv.SimpleReply("PONG")
	case 2:
		return kv.BulkString(string(a[1]))
	}
	return kv.ErrorReply("ERR wrong number of arguments for 'ping' command")
}

func quit(c *conn, _ [][]byte) kv.Reply {
	c.closing = true
	return kv.OK
}

func reset(c *conn, _ [][]byte) kv.Reply {
	c.multi = transaction{}
	c.readonly = false
	c.protocol = 2
	c.authenticated = c.server.opts.Password == ""
	c.mu.Lock()
	c.name = ""
	c.mu.Unlock()
	return kv.SimpleReply("RESET")
}

func selectDB(c *conn, a [][]byte) kv.Reply {
	n, err := strconv.Atoi(string(a[1]))
	if err != nil {
		return kv.ErrorReply("ERR value is not an integer or out of range")
	}
	if n != 0 {
		return kv.ErrorReply("ERR SELECT is not allowed in cluster mode")
	}
	return kv.OK
}

func now(c *conn, _ [][]byte) kv.Reply {
	t := c.server.opts.Now()
	return kv.ArrayReply(kv.BulkString(strconv.FormatInt(t.Unix(), 10)), kv.BulkString(strconv.Itoa(t.Nanosecond()/1000)))
}

func lolwut(c *conn, _ [][]byte) kv.Reply {
	return kv.Reply{Kind: kv.Verbatim, Str: []byte("raftkv ver. " + c.server.opts.Version + "\n")}
}

// login checks a user and password; only the user "default" exists.
func (c *conn) login(user, password []byte) kv.ReplyError {
	want := sha256.Sum256([]byte(c.server.opts.Password))
	got := sha256.Sum256(password)
	right := subtle.ConstantTimeCompare(want[:], got[:]) == 1
	if string(user) != "default" || c.server.opts.Password != "" && !right {
		return "WRONGPASS invalid username-password pair or user is disabled."
	}
	c.authenticated = true
	return ""
}

func auth(c *conn, a [][]byte) kv.Reply {
	user, password := []byte("default"), a[1]
	switch {
	case len(a) > 3:
		return kv.ErrorReply("ERR syntax error")
	case len(a) == 3:
		user, password = a[1], a[2]
	case c.server.opts.Password == "":
		return kv.ErrorReply("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	}
	if err := c.login(user, password); err != "" {
		return err.Reply()
	}
	return kv.OK
}

func hello(c *conn, a [][]byte) kv.Reply {
	protocol := c.protocol
	rest := a[1:]
	if len(rest) > 0 {
		n, err := strconv.Atoi(string(rest[0]))
		if err != nil {
			return kv.ErrorReply("ERR Protocol version is not an integer or out of range")
		}
		if n != 2 && n != 3 {
			return kv.ErrorReply("NOPROTO unsupported protocol version")
		}
		protocol, rest = n, rest[1:]
	}
	name, named := "", false
	for len(rest) > 0 {
		switch {
		case is(rest[0], "auth") && len(rest) >= 3:
			if err := c.login(rest[1], rest[2]); err != "" {
				return err.Reply()
			}
			rest = rest[3:]
		case is(rest[0], "setname") && len(rest) >= 2:
			name, named = string(rest[1]), true
			rest = rest[2:]
		default:
			return kv.ErrorReply(fmt.Sprintf("ERR Syntax error in HELLO option '%s'", rest[0]))
		}
	}
	if !c.authenticated {
		return kv.ErrorReply("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	}
	if named {
		if err := c.setName(name); err != "" {
			return err.Reply()
		}
	}
	c.protocol = protocol
	return kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
		kv.BulkString("server"), kv.BulkString("redis"),
		kv.BulkString("version"), kv.BulkString(redisVersion),
		kv.BulkString("proto"), kv.IntReply(int64(c.protocol)),
		kv.BulkString("id"), kv.IntReply(int64(c.id)),
		kv.BulkString("mode"), kv.BulkString("cluster"),
		kv.BulkString("role"), kv.BulkString("master"),
		kv.BulkString("modules"), kv.ArrayReply(),
	}}
}

func (c *conn) setName(name string) kv.ReplyError {
	for _, r := range []byte(name) {
		if r < '!' || r > '~' {
			return "ERR Client names cannot contain spaces, newlines or special characters."
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name = name
	return ""
}

func client(c *conn, a [][]byte) kv.Reply {
	switch sub := strings.ToLower(string(a[1])); sub {
	case "id":
		return kv.IntReply(int64(c.id))
	case "getname":
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.name == "" {
			return kv.Reply{}
		}
		return kv.BulkString(c.name)
	case "setname":
		if err := c.setName(string(a[2])); err != "" {
			return err.Reply()
		}
		return kv.OK
	case "setinfo":
		return c.setInfo(string(a[2]), string(a[3]))
	case "list":
		return c.server.clientList(a[2:])
	case "info":
		return kv.Reply{Kind: kv.Verbatim, Str: []byte(c.describe())}
	case "kill":
		return c.server.kill(c, a[2:])
	case "no-evict", "no-touch", "reply":
		if is(a[2], "on") || is(a[2], "off") && sub != "reply" {
			return kv.OK
		}
		return kv.ErrorReply("ERR syntax error")
	case "tracking":
		if len(a) == 3 && is(a[2], "off") {
			return kv.OK
		}
		return kv.ErrorReply("ERR client-side caching is not supported; disable it in the client (rueidis: DisableCache)")
	}
	return unknownSub(a)
}

func (c *conn) setInfo(attribute, value string) kv.Reply {
	if strings.ContainsAny(value, " \r\n") {
		return kv.ErrorReply(fmt.Sprintf("ERR %s cannot contain spaces, newlines or special characters.", attribute))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch strings.ToLower(attribute) {
	case "lib-name":
		c.libName = value
	case "lib-ver":
		c.libVersion = value
	default:
		return kv.ErrorReply(fmt.Sprintf("ERR Unrecognized option '%s'", attribute))
	}
	return kv.OK
}

// describe is the connection's line in CLIENT LIST.
func (c *conn) describe() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := "NULL"
	if p := c.lastName.Load(); p != nil {
		last = *p
	}
	idle := time.Since(time.Unix(0, c.lastActive.Load()))
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=0 name=%s age=%d idle=%d flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=%s user=default lib-name=%s lib-ver=%s\n",
		c.id, c.nc.RemoteAddr(), c.nc.LocalAddr(), c.name, int(time.Since(c.born).Seconds()), int(idle.Seconds()), last, c.libName, c.libVersion)
}

// clientList serves CLIENT LIST, of a TYPE or of some IDs if that is asked for.
func (s *Server) clientList(filter [][]byte) kv.Reply {
	wanted := func(*conn) bool { return true }
	switch {
	case len(filter) == 2 && is(filter[0], "type"):
		switch strings.ToLower(string(filter[1])) {
		case "normal":
		case "master", "replica", "slave", "pubsub":
			wanted = func(*conn) bool { return false }
		default:
			return kv.ErrorReply(fmt.Sprintf("ERR Unknown client type '%s'", filter[1]))
		}
	case len(filter) > 1 && is(filter[0], "id"):
		ids := make(map[int64]bool)
		for _, arg := range filter[1:] {
			id, err := strconv.ParseInt(string(arg), 10, 64)
			if err != nil {
				return kv.ErrorReply("ERR Invalid client ID")
			}
			ids[id] = true
		}
		wanted = func(c *conn) bool { return ids[int64(c.id)] }
	case len(filter) > 0:
		return kv.ErrorReply("ERR syntax error")
	}
	conns := s.list()
	sort.Slice(conns, func(i, j int) bool { return conns[i].id < conns[j].id })
	var b strings.Builder
	for _, c := range conns {
		if wanted(c) {
			b.WriteString(c.describe())
		}
	}
	return kv.Reply{Kind: kv.Verbatim, Str: []byte(b.String())}
}

// kill closes connections by ID or ADDR.
func (s *Server) kill(self *conn, a [][]byte) kv.Reply {
	match := func(*conn) bool { return false }
	legacy := len(a) == 1
	switch {
	case legacy:
		match = func(c *conn) bool { return c.nc.RemoteAddr().String() == string(a[0]) }
	case len(a) == 2 && is(a[0], "addr"):
		match = func(c *conn) bool { return c.nc.RemoteAddr().String() == string(a[1]) }
	case len(a) == 2 && is(a[0], "id"):
		match = func(c *conn) bool { return strconv.FormatUint(c.id, 10) == string(a[1]) }
	default:
		return kv.ErrorReply("ERR syntax error")
	}
	n := int64(0)
	for _, c := range s.list() {
		if match(c) {
			n++
			if c == self {
				c.closing = true
			} else {
				c.nc.Close()
			}
		}
	}
	if !legacy {
		return kv.IntReply(n)
	}
	if n == 0 {
		return kv.ErrorReply("ERR No such client")
	}
	return kv.OK
}
