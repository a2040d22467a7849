package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"raftkv/kv/ask"
	"raftkv/kv/certs"
	"raftkv/kv/launch"
	"raftkv/kv/node"
)

// askedNode is the flags of commands that ask any node of a cluster over HTTP.
type askedNode struct {
	local     localCluster
	addr      string
	authority string
}

func (a *askedNode) add(f *pflag.FlagSet) {
	a.local.add(f)
	f.StringVar(&a.addr, "addr", "", "HTTP address of any node; default: those of the local cluster")
	f.StringVar(&a.authority, "tls-ca", "", "speak TLS, with nodes whose certificates are of the authority in this file")
}

// web tells how nodes are spoken to. Those of a local cluster speak no TLS: the authority
// is another cluster's then, by a variable that is set for good.
func (a *askedNode) web() (ask.Web, error) {
	if a.authority == "" || a.addr == "" && a.local.begun() {
		return ask.Web{}, nil
	}
	config, err := certs.Client(a.authority)
	if err != nil {
		return ask.Web{}, misuse{fmt.Errorf("--tls-ca: %w", err)}
	}
	return ask.Web{TLS: config}, nil
}

// addrs lists the HTTP addresses of the cluster's nodes, those first that answer
// soonest.
func (l *localCluster) addrs() ([]string, error) {
	c, err := l.open("")
	if err != nil {
		return nil, err
	}
	nodes, err := c.Nodes()
	if errors.Is(err, launch.ErrNoCluster) && l.data == defaultData {
		return []string{node.DefaultHTTP}, nil // of a node that was started by serve, perhaps
	}
	var running, others []string
	for _, n := range nodes {
		if n.State() == launch.Running {
			running = append(running, n.HTTP)
		} else {
			others = append(others, n.HTTP)
		}
	}
	return append(running, others...), err
}

// addrs lists the HTTP addresses to ask, in this order.
func (a *askedNode) addrs() ([]string, error) {
	if a.addr == "" {
		return a.local.addrs()
	}
	addr := strings.TrimPrefix(strings.TrimPrefix(a.addr, "https://"), "http://")
	if addr != a.addr && strings.HasPrefix(a.addr, "https") && a.authority == "" {
		return nil, misuse{errors.New("an address with https takes --tls-ca FILE, the certificate of the authority that its node's is of")}
	}
	return []string{strings.TrimRight(addr, "/")}, nil
}

// fetch asks one address after the other for a path, and decodes the first answer
// into out.
func (a *askedNode) fetch(ctx context.Context, path string, out any) (raw []byte, err error) {
	addrs, err := a.addrs()
	if err != nil {
		return nil, err
	}
	web, err := a.web()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, addr := range addrs {
		if raw, err = get(ctx, web, addr, path); err == nil {
			err = json.Unmarshal(raw, out)
		}
		if err == nil {
			return raw, nil
		}
		errs = append(errs, err)
	}
	return nil, noAnswer(errs)
}

// errNoAnswer: no node could be asked.
var errNoAnswer = errors.New("no node answers")

// noAnswer is the error when no node could be asked, or none could do what was asked,
// or one answered that it cannot be done.
func noAnswer(errs []error) error {
	said := map[bool][]string{} // by whether it is definite
	for _, err := range errs {
		if no := (refused{}); errors.As(err, &no) && !slices.Contains(said[no.definite], no.Error()) {
			said[no.definite] = append(said[no.definite], no.Error())
		}
	}
	switch definite, passing := said[true], said[false]; {
	case len(definite) > 0:
		return refused{errors.New(definite[0]), true} // others may lag behind, and say the same of that
	case len(passing) > 0: // they are there, so nobody needs to hear how to start them
		return fmt.Errorf("%w this now: %s", errNoAnswer, strings.Join(passing, "; "))
	}
	return fmt.Errorf("%w; start the cluster with `raftkv up`, or name a node's HTTP address with --addr: %w", errNoAnswer, errors.Join(errs...))
}

// get asks one address for a path.
func get(ctx context.Context, web ask.Web, addr, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	answer, err := ask.Question{Addr: addr, Path: path, Password: os.Getenv(passwordVariable), Web: web}.Raw(ctx)
	if no := (*ask.Refusal)(nil); errors.As(err, &no) {
		return nil, refusal(web.URL(addr, path), no.Code, no.Status, []byte(no.Text))
	}
	return answer, err
}
