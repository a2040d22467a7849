package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"raftkv/kv/nettest"
)

// made returns the files of a node of a new authority.
func made(t *testing.T) (*Authority, Files) {
	t.Helper()
	a, _, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := a.Node([]string{"127.0.0.1", "db1.example.com"}, false)
	if err != nil {
		t.Fatal(err)
	}
	return a, f
}

// meet lets a client and a server shake hands.
func meet(t *testing.T, server, client *tls.Config) (shown []byte, err error) {
	t.Helper()
	near, far := nettest.Pair(t)
	defer near.Close()
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		c := tls.Server(far, server)
		err := c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		done <- err
	}()
	near.SetDeadline(time.Now().Add(20 * time.Second))
	c := tls.Client(near, client)
	_, err = io.ReadFull(c, make([]byte, 1))
	if err == nil {
		shown = c.ConnectionState().PeerCertificates[0].Raw
	}
	near.Close()
	return shown, errors.Join(err, <-done)
}

func TestPeersMeetTheirOwnOnly(t *testing.T) {
	_, ours := made(t)
	_, theirs := made(t)
	one, err := Load(ours)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Load(theirs)
	if err != nil {
		t.Fatal(err)
	}
	server, client := one.Peers()
	_, stranger := other.Peers()
	named := func(c *tls.Config, name string) *tls.Config {
		c = c.Clone()
		c.ServerName = name
		return c
	}
	authority, err := Client(ours.CA)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		meet           bool
	}{
		{"two nodes", server, named(client, "127.0.0.1"), true},
		{"by another name", server, named(client, "db1.example.com"), true},
		{"by a name that is not the node's", server, named(client, "db2.example.com"), false},
		{"a node of another authority", server, named(stranger, "127.0.0.1"), false},
		{"a node with a client's configuration", server, named(authority, "127.0.0.1"), false},
		{"a client", one.Server(), named(authority, "127.0.0.1"), true},
		{"a client of another cluster", other.Server(), named(authority, "127.0.0.1"), false},
	} {
		if _, err := meet(t, c.server, c.client); (err == nil) != c.meet {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRenewedCertificateIsTaken(t *testing.T) {
	a, f := made(t)
	c, err := Load(f)
	if err != nil {
		t.Fatal(err)
	}
	client, err := Client(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "127.0.0.1"
	shown := func() []byte {
		t.Helper()
		raw, err := meet(t, c.Server(), client)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	first := shown()
	if _, err := a.Node([]string{"127.0.0.1"}, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a certificate that there is: %v", err)
	}
	// While files are being replaced they may not fit, or be no certificate at all.
	whole, err := os.ReadFile(f.Cert)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute)
	for _, half := range [][]byte{whole[:len(whole)/2], nil} {
		if err := errors.Join(os.WriteFile(f.Cert, half, 0o644), os.Chtimes(f.Cert, later, later)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(shown(), first) {
			t.Error("another certificate is shown")
		}
	}
	if _, err := a.Node([]string{"127.0.0.1"}, true); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(shown(), first) {
		t.Error("the renewed certificate is not shown")
	}
}

func TestLoadTellsWhatIsMissing(t *testing.T) {
	_, f := made(t)
	_, other := made(t)
	for name, broken := range map[string]Files{
		"no key":             {Cert: f.Cert, CA: f.CA},
		"another key":        {Cert: f.Cert, Key: other.Key, CA: f.CA},
		"no such file":       {Cert: f.Cert, Key: f.Key, CA: filepath.Join(t.TempDir(), "ca.crt")},
		"no certificate":     {Cert: f.Key, Key: f.Key, CA: f.CA},
		"a key for the CA's": {Cert: f.Cert, Key: f.Key, CA: f.Key},
	} {
		if _, err := Load(broken); err == nil {
			t.Errorf("%s: it is loaded", name)
		}
	}
	if again, madeIt, err := OpenAuthority(filepath.Dir(f.CA)); err != nil || madeIt || again == nil {
		t.Errorf("the authority, opened again: made %v, %v", madeIt, err)
	}
}
