package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"raftkv/kv/launch"
)

// defaultData is where a local cluster lies unless --data says otherwise.
const defaultData = "raftkv-data"

const (
	// startTimeout bounds how long a cluster may take until it serves.
	startTimeout = time.Minute
	// stopGrace is how long nodes may take to end in order. A node gives up by
	// itself after 10 s, and says why.
	stopGrace = 15 * time.Second
)

// localCluster is the --data flag of commands for a cluster on this machine.
type localCluster struct{ data string }

func (l *localCluster) add(f *pflag.FlagSet) {
	f.StringVar(&l.data, "data", defaultData, "the cluster's folder")
}

// open returns the cluster; its nodes run this very program.
func (l *localCluster) open(password string) (*launch.Cluster, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var environ []string
	if _, given := os.LookupEnv(passwordVariable); given || password != "" {
		environ = append(environ, passwordVariable+"="+password)
	}
	return launch.Open(l.data, self, environ...)
}

// begun tells whether there is a cluster.
func (l *localCluster) begun() bool {
	c, err := l.open("")
	if err != nil {
		return false
	}
	_, err = c.Nodes()
	return err == nil
}

// command is a command line for this cluster that the user can type as it is, in
// any folder unless the cluster's is the default one.
func (l *localCluster) command(words ...string) string {
	text := program() + " " + strings.Join(words, " ")
	if l.data == defaultData {
		return text
	}
	if abs, err := filepath.Abs(l.data); err == nil {
		return text + " --data " + abs
	}
	return text + " --data " + l.data
}

// program is how the user called this program.
func program() string {
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		return os.Args[0] // not found by name alone, such as .build/raftkv
	}
	return "raftkv"
}
