package main

import (
	"context"
	"flag"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// memberCommand is the hidden sub-command that runs one member of etcd in a
// process of its own.
const memberCommand = "etcd-member"

// runMember runs an etcd server until ctx ends. Its settings are etcd's
// defaults, but for a larger quota, which no run shall reach.
func runMember(ctx context.Context, args []string) error {
	c := embed.NewConfig()
	flags := flag.NewFlagSet(memberCommand, flag.ContinueOnError)
	flags.StringVar(&c.Name, "name", "", "name of the member")
	flags.StringVar(&c.Dir, "data", "", "its data folder")
	client := flags.String("client", "", "URL for clients")
	peer := flags.String("peer", "", "URL for members")
	flags.StringVar(&c.InitialCluster, "cluster", "", "NAME=URL of all members")
	if err := flags.Parse(args); err != nil {
		return err
	}
	clientURL, err := url.Parse(*client)
	if err != nil {
		return err
	}
	peerURL, err := url.Parse(*peer)
	if err != nil {
		return err
	}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*clientURL}, []url.URL{*clientURL}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peerURL}, []url.URL{*peerURL}
	c.QuotaBackendBytes = 32 << 30
	c.LogLevel = "error"
	server, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-server.Err():
	}
	ended := time.AfterFunc(10*time.Second, server.Server.HardStop)
	defer ended.Stop()
	server.Close()
	return err
}
