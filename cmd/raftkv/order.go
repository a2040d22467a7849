package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"raftkv/kv/ask"
)

// orderTimeout bounds one order. A node that has taken it gives up after 10 s.
const orderTimeout = 15 * time.Second

// admin is the flags of commands that look at a cluster or change it: any node is
// asked. The password comes from the environment alone: on a command line it would
// be seen by every user of the machine.
type admin struct {
	askedNode
	json bool
}

func (a *admin) add(f *pflag.FlagSet) {
	a.askedNode.add(f)
	f.BoolVar(&a.json, "json", false, "print JSON")
}

// order sends a request that changes the cluster, with body as JSON unless it is
// nil, and decodes the answer into out. Another node is asked only if the one
// before cannot have done anything.
func (a *admin) order(ctx context.Context, method, path string, body, out any) error {
	addrs, err := a.addrs()
	if err != nil {
		return err
	}
	web, err := a.web()
	if err != nil {
		return err
	}
	var payload []byte
	if body != nil {
		if payload, err = json.Marshal(body); err != nil {
			return err
		}
	}
	var errs []error
	for _, addr := range addrs {
		again, err := orderAt(ctx, web, method, web.URL(addr, path), payload, out)
		if !again {
			return err
		}
		errs = append(errs, err)
	}
	return noAnswer(errs)
}

// orderAt sends an order to one node. It tells whether to send it to the next one.
func orderAt(ctx context.Context, web ask.Web, method, url string, payload []byte, out any) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(payload))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	if password := os.Getenv(passwordVariable); password != "" {
		request.SetBasicAuth("", password)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: web.TLS}}
	response, err := client.Do(request)
	if err != nil {
		if failed := (*net.OpError)(nil); errors.As(err, &failed) && failed.Op == "dial" {
			return true, err // nobody has seen the order
		}
		return false, fmt.Errorf("the node took the order and did not answer, so it may be done or not: look, and give it again: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return false, err
	}
	if response.StatusCode == http.StatusOK {
		return false, json.Unmarshal(answer, out)
	}
	return response.StatusCode == http.StatusServiceUnavailable, refusal(url, response.StatusCode, response.Status, answer)
}

// refused is what a node answered that will not do what it was asked.
type refused struct {
	error
	// definite: it is no want of a leader or the like, and asking later will not help.
	definite bool
}

// refusal words a node's answer for a person.
func refusal(url string, code int, status string, answer []byte) error {
	var said struct{ Code, Error string }
	definite := code < http.StatusInternalServerError
	switch {
	case json.Unmarshal(answer, &said) != nil || said.Error == "":
		return refused{fmt.Errorf("%s: %s: %s", url, status, strings.TrimSpace(string(answer))), definite}
	case code == http.StatusUnauthorized:
		return refused{fmt.Errorf("the cluster has a password, and this is not it: set %s", passwordVariable), definite}
	}
	text := strings.TrimPrefix(said.Error, "ERR ")
	return refused{errors.New(strings.TrimPrefix(text, "NOTFOUND ")), definite}
}

// print shows what a command found or did: as JSON if that was asked for, else as
// text does.
func (a *admin) print(cmd *cobra.Command, result any, text func(io.Writer) error) error {
	out := cmd.OutOrStdout()
	if !a.json {
		return text(out)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(result)
}

// say prints a result whose text is one line.
func (a *admin) say(cmd *cobra.Command, result any, format string, args ...any) error {
	return a.print(cmd, result, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		return err
	})
}

// progress prints a line while a command waits, on standard error if standard
// output is for JSON.
func (a *admin) progress(cmd *cobra.Command, format string, args ...any) {
	out := cmd.OutOrStdout()
	if a.json {
		out = cmd.ErrOrStderr()
	}
	fmt.Fprintf(out, format+"\n", args...)
}
