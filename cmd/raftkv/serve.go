package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"raftkv/kv/launch"
	"raftkv/kv/node"
)

func newServe() *cobra.Command {
	var c node.Config
	var s settings
	cmd := &cobra.Command{
		Use:   "serve --id ID --data DIR (--bootstrap | --join ADDR[,ADDR])",
		Short: "Run one node",
		Long: `Run one node until it is told to stop (Ctrl-C, SIGTERM).

A new data folder needs --bootstrap, to begin a cluster with this node, or --join
with the peer address of any member. The folder remembers both: a restart needs
--data alone.

A new cluster makes its groups and gives them all slots as soon as it has
--initial-nodes nodes.`,
		Example: `  raftkv serve --id n1 --data /var/lib/raftkv --bootstrap
  raftkv serve --id n2 --data /srv/n2 --join 127.0.0.1:9001 \
      --redis 127.0.0.1:7002 --http 127.0.0.1:8002 --peer 127.0.0.1:9002
  raftkv serve --data /var/lib/raftkv     # again
  RAFTKV_PASSWORD=... raftkv serve --id n1 --data /var/lib/raftkv --bootstrap --initial-nodes 3 \
      --redis 10.0.0.1:7001 --http 10.0.0.1:8001 --peer 10.0.0.1:9001 \
      --tls-cert certs/10.0.0.1.crt --tls-key certs/10.0.0.1.key --tls-ca certs/ca.crt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Dir == "" {
				return misuse{errors.New("a data folder is needed: --data DIR")}
			}
			if c.Bootstrap && len(c.Join) > 0 {
				return misuse{errors.New("--bootstrap begins a new cluster and --join enters one that exists: give one of them")}
			}
			if err := s.check(); err != nil {
				return err
			}
			s.apply(&c)
			if s.scheduling.value == "batch" {
				if err := launch.ScheduleAsBatch(); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "raftkv: the kernel refuses --scheduling=batch, so it stays as it is: %v\n", err)
				}
			}
			warnUnsafe(cmd.ErrOrStderr(), c.Unsafe)
			c.Version = versionText()
			pacing, stop := context.WithCancel(context.Background())
			defer stop()
			n, err := node.Open(c)
			if err != nil {
				return err
			}
			paced, serves := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(paced)
				paceGarbage(pacing, serves, n.Hurry)
			}()
			defer func() {
				stop()
				<-paced
			}()
			fmt.Fprintf(cmd.OutOrStdout(), "node %s runs; log: %s/log/node.jsonl\n", n.ID(), c.Dir)
			failed := attend(cmd, n, serves)
			if failed != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "raftkv: node %s stops: %v\n", n.ID(), failed)
			}
			if err := n.Close(); err != nil && failed == nil {
				return err
			}
			return failed
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.ID, "id", "", "the node's name in the cluster, for good")
	f.StringVar(&c.Dir, "data", "", "data folder, this node's alone")
	f.StringVar(&c.Redis, "redis", "", "address for Redis clients (default "+node.DefaultRedis+", or as before)")
	f.StringVar(&c.HTTP, "http", "", "address for HTTP (default "+node.DefaultHTTP+", or as before)")
	f.StringVar(&c.Peer, "peer", "", "address for other nodes (default "+node.DefaultPeer+", or as before)")
	f.BoolVar(&c.Bootstrap, "bootstrap", false, "begin a new cluster with this node")
	f.IntVar(&c.Groups, "groups", 0, "with --bootstrap: how many groups the cluster begins with; 0: as many as --initial-nodes")
	f.IntVar(&c.InitialNodes, "initial-nodes", 1, "with --bootstrap: how many nodes there must be before the groups are made")
	f.StringSliceVar(&c.Join, "join", nil, "enter the cluster that has a node with one of these peer addresses")
	f.StringVar(&c.TLS.Cert, "tls-cert", "", "file with the node's certificate, for TLS on all ports; read again when it changes")
	f.StringVar(&c.TLS.Key, "tls-key", "", "file with its key")
	f.StringVar(&c.TLS.CA, "tls-ca", "", "file with the certificate of the authority that all nodes' are of")
	f.BoolVar(&c.Insecure, "insecure", false, "permit addresses that other machines reach, without TLS and a password")
	s.add(f)
	return cmd
}

const (
	// readyPause is how often a node is asked whether it serves, until it does.
	readyPause = 100 * time.Millisecond
	// readyPatience is how long it may take until a person is told what it waits for.
	readyPatience = 3 * time.Second
)

// attend tells when the node serves, by closing serves, too, or what it waits for, and
// returns when the node has failed or is to stop.
func attend(cmd *cobra.Command, n *node.Node, serves chan<- struct{}) error {
	began, told := time.Now(), false
	for {
		ctx, cancel := context.WithTimeout(cmd.Context(), readyPause)
		failed := n.Wait(ctx)
		cancel()
		if failed != nil || cmd.Context().Err() != nil {
			return failed
		}
		ctx, cancel = context.WithTimeout(cmd.Context(), time.Second)
		err := n.Ready(ctx)
		cancel()
		if err == nil {
			close(serves)
			fmt.Fprintf(cmd.OutOrStdout(), "node %s serves\n", n.ID())
			return n.Wait(cmd.Context())
		}
		if !told && time.Since(began) > readyPatience {
			told = true
			fmt.Fprintf(cmd.ErrOrStderr(), "raftkv: node %s does not serve yet and goes on trying: %v\n", n.ID(), err)
		}
	}
}
