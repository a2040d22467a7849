package server

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"raftkv/kv"
)

// redisVersion is the version of Redis whose commands and replies these are.
const redisVersion = "7.2.0"

// infoSections in the order in which INFO prints them.
var infoSections = []struct {
	name  string
	write func(c *conn, i Info, line func(name string, value any))
}{
	{"server", infoServer},
	{"clients", infoClients},
	{"memory", infoMemory},
	{"persistence", infoPersistence},
	{"stats", infoStats},
	{"replication", infoReplication},
	{"cpu", func(*conn, Info, func(string, any)) {}},
	{"cluster", func(_ *conn, _ Info, line func(string, any)) { line("cluster_enabled", 1) }},
	{"keyspace", infoKeyspace},
	{"raftkv", infoRaftkv},
}

func info(c *conn, a [][]byte) kv.Reply {
	var wanted []string
	for _, s := range a[1:] {
		wanted = append(wanted, strings.ToLower(string(s)))
	}
	all := len(wanted) == 0 || slices.Contains(wanted, "all") || slices.Contains(wanted, "default") || slices.Contains(wanted, "everything")
	i := c.server.node.Info()
	var b strings.Builder
	for _, s := range infoSections {
		if !all && !slices.Contains(wanted, s.name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		fmt.Fprintf(&b, "# %s\r\n", strings.ToUpper(s.name[:1])+s.name[1:])
		s.write(c, i, func(name string, value any) { fmt.Fprintf(&b, "%s:%v\r\n", name, value) })
	}
	return kv.Reply{Kind: kv.Verbatim, Str: []byte(b.String())}
}

func infoServer(c *conn, _ Info, line func(string, any)) {
	up := time.Since(c.server.start)
	line("redis_version", redisVersion)
	line("redis_mode", "cluster")
	line("raftkv_version", c.server.opts.Version)
	line("os", runtime.GOOS+" "+runtime.GOARCH)
	line("arch_bits", 64)
	line("process_id", os.Getpid())
	line("run_id", nodeID(c.server.node.Topology().Self))
	_, port, _ := strings.Cut(c.server.opts.Addr, ":")
	line("tcp_port", port)
	line("uptime_in_seconds", int(up.Seconds()))
	line("uptime_in_days", int(up.Hours()/24))
}

func infoClients(c *conn, _ Info, line func(string, any)) {
	line("connected_clients", c.server.Clients())
	line("maxclients", c.server.opts.MaxClients)
	line("blocked_clients", 0)
}

func infoMemory(_ *conn, i Info, line func(string, any)) {
	line("used_memory", i.Memory)
	line("used_memory_human", human(i.Memory))
	line("used_memory_rss", i.Memory)
	line("used_memory_dataset", i.StateMemory)
	line("maxmemory", i.MaxMemory)
	line("maxmemory_human", human(i.MaxMemory))
	line("maxmemory_policy", "noeviction")
}

func human(n int64) string {
	switch f := float64(n); {
	case n >= 1<<30:
		return fmt.Sprintf("%.2fG", f/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2fM", f/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.2fK", f/(1<<10))
	}
	return fmt.Sprintf("%dB", n)
}

func infoPersistence(_ *conn, i Info, line func(string, any)) {
	saving := 0
	if i.Saving {
		saving = 1
	}
	line("loading", 0)
	line("rdb_bgsave_in_progress", saving)
	line("rdb_last_save_time", i.LastSave)
	line("rdb_last_bgsave_status", "ok")
	line("aof_enabled", 1)
	line("aof_last_write_status", "ok")
}

// infoStats leaves out what nobody counts here, such as keyspace_hits: a zero would be
// believed.
func infoStats(c *conn, _ Info, line func(string, any)) {
	s := c.server.Stats
	line("total_connections_received", s.Accepted.Load())
	line("rejected_connections", s.Rejected.Load())
	line("total_commands_processed", s.Commands.Load())
	line("total_net_input_bytes", s.BytesIn.Load())
	line("total_net_output_bytes", s.BytesOut.Load())
	line("evicted_keys", 0)
}

func infoReplication(_ *conn, _ Info, line func(string, any)) {
	line("role", "master")
	line("connected_slaves", 0)
}

func infoKeyspace(_ *conn, i Info, line func(string, any)) {
	if i.Keys > 0 {
		line("db0", fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", i.Keys, i.Expires))
	}
}

func infoRaftkv(_ *conn, i Info, line func(string, any)) {
	for _, f := range i.Fields {
		line(f.Name, f.Value)
	}
}
