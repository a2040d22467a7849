package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"raftkv/kv/eventlog"
	"raftkv/kv/fsm"
	"raftkv/kv/node"
)

// faultsFlag permits faults; up gives it to its nodes.
const faultsFlag = "enable-faults"

// settings are the flags that serve and up share: how every node runs.
type settings struct {
	logStore   choice
	profile    choice
	maxValue   size
	maxMemory  size
	minFree    size
	maxClients int
	replay     time.Duration
	hang       time.Duration
	replace    time.Duration
	logLevel   choice
	trace      topics
	sample     uint64
	password   string
	pprof      bool
	breakable  bool
	faults     string
	failpoint  string
	advertise  bool
	unsafe     string
	scheduling choice
	hurry      int
}

func (s *settings) add(f *pflag.FlagSet) {
	s.maxValue, s.minFree = fsm.DefaultMaxValue, node.DefaultMinFree
	s.logStore = choice{"wal", []string{"wal", "boltdb"}}
	s.profile = choice{"local", []string{"local", "wan"}}
	s.scheduling = choice{"normal", []string{"normal", "batch"}}
	s.trace = eventlog.TraceTopics()
	s.logLevel = choice{"info", []string{"debug", "info", "warn", "error"}}
	f.Var(&s.logStore, "log-store", "where log entries go: wal (raft-wal) or boltdb (raft-boltdb); fixed once the folder is made")
	f.Var(&s.profile, "profile", "timing: local (elections in about 300 ms) or wan")
	f.Var(&s.maxValue, "max-value", "largest value")
	f.Var(&s.maxMemory, "max-memory", "size of keys and values beyond which writes get -OOM while reads and deletes go on; 0: no limit")
	f.Var(&s.minFree, "min-free", "free disk below which writes are refused")
	f.IntVar(&s.maxClients, "max-clients", node.DefaultMaxClients, "most Redis connections of a node")
	f.DurationVar(&s.replay, "replay-budget", node.DefaultReplayBudget, "take a snapshot when replaying the log after a restart would take longer; negative: never")
	f.DurationVar(&s.hang, "hang-timeout", node.DefaultHangTimeout, "stop the node when its disk has not answered for so long, so that another one can lead")
	f.DurationVar(&s.replace, "replace-after", node.DefaultReplaceAfter, "replace the replicas of a node that has been silent for so long, 1s or more, if there are other nodes")
	f.Var(&s.logLevel, "log-level", "what the node's log tells: debug, info, warn or error")
	f.Var(&s.trace, "trace", "follow messages and entries in the node's log/trace.jsonl: all, off, or some of "+strings.Join(eventlog.TraceTopics(), ", "))
	f.Uint64Var(&s.sample, "trace-sample", eventlog.DefaultTraceSample, "of how many entries the trace follows one under load, besides those that are slow or fail; 1: all")
	f.StringVar(&s.password, "password", "", "what clients must give by AUTH; better as RAFTKV_PASSWORD")
	f.BoolVar(&s.advertise, "advertise-replicas", false, "show clients the replicas of each group in CLUSTER SLOTS and SHARDS, for those that spread reads (READONLY)")
	f.Var(&s.scheduling, "scheduling", "normal, or batch: interrupt nobody to handle a message at once, which serves more when nodes share processors; 'up' starts several nodes with batch")
	f.IntVar(&s.hurry, "hurry-processors", 0, "processors to use while a log is replayed, and with a large state; 0: those of GOMAXPROCS; 'up' sets it")
	f.BoolVar(&s.pprof, "pprof", false, "serve Go's profiles on the HTTP port under /debug/pprof/")
	f.BoolVar(&s.breakable, faultsFlag, s.breakable, "permit that the cluster is broken on purpose by 'raftkv fault', from this machine or with the password")
	f.StringVar(&s.unsafe, "unsafe", "", "break a rule on purpose, to see what follows and that 'raftkv check' finds it: "+node.UnsafeNames()+"; needs --"+faultsFlag)
	f.StringVar(&s.faults, "disk-faults", "", "for tests: a file that says how the disk shall fail")
	f.MarkHidden("disk-faults")
	f.StringVar(&s.failpoint, "failpoint", "", "for tests: the steps before which migrations stop")
	f.MarkHidden("failpoint")
}

// leastReplaceAfter is the shortest time after which a node's replicas may be replaced:
// nodes that live are silent between two heartbeats, too, and when they begin.
const leastReplaceAfter = time.Second

// check refuses values that no node could work with.
func (s *settings) check() error {
	if s.replace < leastReplaceAfter {
		return misuse{fmt.Errorf("--replace-after %v: take %v or more; to replace no node ever, take one as long as 1000h", s.replace, leastReplaceAfter)}
	}
	return nil
}

// args turns the settings that differ from the defaults back into flags, for
// child processes. The password goes through the environment.
func (s *settings) args(f *pflag.FlagSet) []string {
	var out []string
	for _, name := range []string{"log-store", "profile", "max-value", "max-memory", "min-free", "max-clients", "replay-budget", "hang-timeout", "replace-after", "log-level", "trace", "trace-sample", "advertise-replicas", "pprof", faultsFlag, "unsafe", "scheduling", "hurry-processors", "disk-faults", "failpoint"} {
		if flag := f.Lookup(name); flag.Changed {
			out = append(out, "--"+name+"="+flag.Value.String())
		}
	}
	return out
}

func (s *settings) apply(c *node.Config) {
	c.Trace, c.TraceSample = s.trace, s.sample
	c.LogStore, c.Profile = s.logStore.value, s.profile.value
	c.MaxValue, c.MaxMemory, c.MinFree = int(s.maxValue), int64(s.maxMemory), uint64(s.minFree)
	c.MaxClients, c.ReplayBudget, c.HangTimeout, c.ReplaceAfter = s.maxClients, s.replay, s.hang, s.replace
	c.LogLevel, c.Password, c.Pprof = s.logLevel.value, s.password, s.pprof
	c.Failpoint, c.Faults, c.Unsafe, c.AdvertiseReplicas = s.failpoint, s.breakable, s.unsafe, s.advertise
	c.HurryProcessors = max(s.hurry, 0)
	if s.faults != "" {
		c.DiskFaults = faultFile(s.faults)
	}
}
