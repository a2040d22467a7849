package program

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/certs"
	"raftkv/kv/client"
	"raftkv/tests/cluster"
)

// console is a process's output while it is being written.
type console struct{ path string }

func (c console) String() string {
	b, _ := os.ReadFile(c.path)
	return string(b)
}

// secured is a cluster that was started as on several hosts, with TLS on all ports.
type secured struct {
	t     *testing.T
	dir   string
	base  int // of the ports, 3 a node
	files certs.Files
}

const securedPassword = "sesame"

func (s *secured) addr(node, port int) string {
	return fmt.Sprintf("127.0.0.1:%d", s.base+3*(node-1)+port)
}
func (s *secured) redis(node int) string { return s.addr(node, 0) }
func (s *secured) http(node int) string  { return s.addr(node, 1) }
func (s *secured) peer(node int) string  { return s.addr(node, 2) }

// serve starts a node with other flags beside the usual.
func (s *secured) serve(node int, files certs.Files, flags ...string) (*exec.Cmd, console) {
	s.t.Helper()
	id := fmt.Sprintf("n%d", node)
	out := console{filepath.Join(s.dir, id+".out")}
	f, err := os.Create(out.path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(cluster.Binary(s.t), append([]string{"serve", "--id", id, "--data", filepath.Join(s.dir, id), "--min-free", "1mb",
		"--redis", s.redis(node), "--http", s.http(node), "--peer", s.peer(node),
		"--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA}, flags...)...)
	cmd.Env = append(os.Environ(), "RAFTKV_PASSWORD="+securedPassword)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, out
}

// raftkv runs a command that asks a node.
func (s *secured) raftkv(args ...string) (string, error) {
	cmd := exec.Command(cluster.Binary(s.t), append(args, "--tls-ca", s.files.CA)...)
	cmd.Env = append(os.Environ(), "RAFTKV_PASSWORD="+securedPassword)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("raftkv %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// up returns how many nodes are up, as a node sees it.
func (s *secured) up(asked int) (n int, _ error) {
	out, err := s.raftkv("status", "--json", "--addr", "https://"+s.http(asked))
	if err != nil {
		return 0, err
	}
	var status kv.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return 0, err
	}
	for _, node := range status.Nodes {
		if node.State == kv.NodeUp {
			n++
		}
	}
	return n, nil
}

// serial returns which certificate a port shows.
func (s *secured) serial(addr string) string {
	s.t.Helper()
	config, err := certs.Client(s.files.CA)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// Nodes, clients and commands speak TLS on all ports, and with nobody else.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	s := &secured{t: t, dir: dir, base: cluster.FreePorts(t, 12)}
	makeThem := []string{"cert", "--dir", filepath.Join(dir, "certs"), "127.0.0.1"}
	if out := ok(t, makeThem...); !strings.Contains(out, "made the authority") {
		t.Errorf("cert says %s", out)
	}
	if out := ok(t, makeThem...); !strings.Contains(out, "already") {
		t.Errorf("cert, again, says %s", out)
	}
	s.files = certs.Files{Cert: filepath.Join(dir, "certs", "127.0.0.1.crt"), Key: filepath.Join(dir, "certs", "127.0.0.1.key"), CA: filepath.Join(dir, "certs", "ca.crt")}
	s.serve(1, s.files, "--bootstrap", "--initial-nodes", "3")
	s.serve(2, s.files, "--join", s.peer(1))
	third, _ := s.serve(3, s.files, "--join", s.peer(1))
	cluster.Eventually(t, "3 nodes to be up", func() error {
		n, err := s.up(2)
		if err == nil && n != 3 {
			err = fmt.Errorf("%d are", n)
		}
		return err
	})

	config, err := certs.Client(s.files.CA)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{Addrs: []string{s.redis(1), s.redis(2), s.redis(3)}, Password: securedPassword, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*cluster.Patience)
	defer cancel()
	for i := range 50 { // of all groups
		if n, err := c.Incr(ctx, fmt.Sprint("counter", i)); err != nil || n != 1 {
			t.Fatalf("counter %d is %d, %v", i, n, err)
		}
	}
	if program, err := exec.LookPath("redis-cli"); err == nil {
		_, port, _ := net.SplitHostPort(s.redis(3))
		out, err := exec.Command(program, "--tls", "--cacert", s.files.CA, "--no-auth-warning", "-a", securedPassword, "-c", "-p", port, "get", "counter7").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "1" {
			t.Errorf("redis-cli --tls: %s, %v", out, err)
		}
	}
	for _, args := range [][]string{
		{"bench", "--addr", s.redis(1), "--clients", "20", "--duration", "200ms", "--warmup", "0s", "--keys", "100", "--quiet"},
		{"leader", "move", "--group", "1", "--to", "n2", "--addr", s.http(3)},
		{"events", "--addr", s.http(1)},
	} {
		if out, err := s.raftkv(args...); err != nil || out == "" {
			t.Errorf("%s %v", out, err)
		}
	}

	t.Run("strangers", func(t *testing.T) {
		plain, err := net.Dial("tcp", s.redis(1))
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		plain.SetDeadline(time.Now().Add(cluster.Patience))
		fmt.Fprintf(plain, "AUTH %s\r\nGET counter1\r\n", securedPassword)
		answer := make([]byte, 256)
		n, _ := plain.Read(answer)
		if bytes.Contains(answer[:n], []byte("+OK")) || bytes.Contains(answer[:n], []byte("NOAUTH")) {
			t.Errorf("a client without TLS is answered %q", answer[:n])
		}
		if response, err := http.Get("https://" + s.http(1) + "/healthz"); err == nil {
			response.Body.Close()
			t.Error("a client that does not know the authority was satisfied")
		}
		if _, errs, code := run(t, "status", "--addr", "https://"+s.http(1)); code != 2 || !strings.Contains(errs, "--tls-ca") {
			t.Errorf("status without an authority: exit code %d, %s", code, errs)
		}
		peer, err := tls.Dial("tcp", s.peer(1), config)
		if err == nil { // TLS 1.3: the client learns it when it reads
			peer.SetDeadline(time.Now().Add(cluster.Patience))
			_, err = peer.Read(answer)
			peer.Close()
		}
		if refused := (*net.OpError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("a peer without a certificate: %v", err)
		}

		ok(t, "cert", "--dir", filepath.Join(dir, "others"), "127.0.0.1")
		others := certs.Files{Cert: filepath.Join(dir, "others", "127.0.0.1.crt"), Key: filepath.Join(dir, "others", "127.0.0.1.key"), CA: filepath.Join(dir, "others", "ca.crt")}
		_, out := s.serve(4, others, "--join", s.peer(1))
		cluster.Eventually(t, "the stranger to tell what keeps it out", func() error {
			if text := out.String(); !strings.Contains(text, "certificate") {
				return errors.New(text)
			}
			return nil
		})
		if n, err := s.up(1); n != 3 || err != nil {
			t.Errorf("%d nodes are up, %v", n, err)
		}
	})

	// A renewed certificate is taken without a restart, and serves those that restart.
	before := s.serial(s.redis(1))
	ok(t, append(makeThem, "--renew")...)
	if after := s.serial(s.redis(1)); after == before {
		t.Errorf("the certificate was renewed, and %s is shown still", before)
	}
	third.Process.Kill()
	third.Wait()
	if n, err := c.Incr(ctx, "counter1"); err != nil || n != 2 {
		t.Errorf("with a node dead a counter is %d, %v", n, err)
	}
	s.serve(3, s.files)
	cluster.Eventually(t, "the node to be up again", func() error {
		n, err := s.up(3)
		if err == nil && n != 3 {
			err = fmt.Errorf("%d are", n)
		}
		return err
	})
}

// Nobody gets a port that others reach by mistake.
func TestOpenPortsTakeTLS(t *testing.T) {
	dir := t.TempDir()
	serve := func(flags ...string) string {
		_, errs, code := run(t, append([]string{"serve", "--id", "n1", "--bootstrap", "--data", filepath.Join(dir, "n1")}, flags...)...)
		if code != 1 {
			t.Errorf("serve %v: exit code %d", flags, code)
		}
		return errs
	}
	ok(t, "cert", "--dir", dir, "10.0.0.1,db1.example.com")
	files := []string{"--tls-cert", filepath.Join(dir, "10.0.0.1.crt"), "--tls-key", filepath.Join(dir, "10.0.0.1.key"), "--tls-ca", filepath.Join(dir, "ca.crt")}
	for _, flags := range [][]string{{"--redis", "0.0.0.0:0"}, append(files, "--peer", "10.0.0.1:9001"), {"--http", "10.0.0.1:0", "--password", "x"}} {
		if errs := serve(flags...); !strings.Contains(errs, "--tls-cert") || !strings.Contains(errs, "RAFTKV_PASSWORD") || !strings.Contains(errs, "--insecure") {
			t.Errorf("serve %v says %s", flags, errs)
		}
	}
	if errs := serve(files[:2]...); !strings.Contains(errs, "all three") {
		t.Errorf("serve %v says %s", files[:2], errs)
	}
	if errs := serve(append(files[:4:4], "--tls-ca", filepath.Join(dir, "nobody"))...); !strings.Contains(errs, "nobody") {
		t.Errorf("serve with an authority that is not there says %s", errs)
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v, %v", info.Mode(), err)
	}
}
