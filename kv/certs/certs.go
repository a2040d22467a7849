// Package certs is the certificates that nodes and clients know each other by: reading
// them, again when they are renewed, and making them. One certificate authority is a
// cluster's: whoever has a certificate of it may be a node.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Files are PEM files: a node's certificate and key, and the authority's certificate.
type Files struct{ Cert, Key, CA string }

// Given tells whether any of them is.
func (f Files) Given() bool { return f != Files{} }

// Credentials are a node's. Its certificate is read again when its files change, for
// connections from then on; the authority's is read once. Methods may be called from any
// goroutine.
type Credentials struct {
	files Files
	roots *x509.CertPool

	mu      sync.Mutex
	pair    *tls.Certificate
	written [2]time.Time // of the certificate and the key that pair is made of
}

// Load reads a node's files. All three are needed.
func Load(f Files) (*Credentials, error) {
	if f.Cert == "" || f.Key == "" || f.CA == "" {
		return nil, errors.New("TLS takes --tls-cert, --tls-key and --tls-ca, all three; `raftkv cert` makes them")
	}
	roots, err := readAuthority(f.CA)
	if err != nil {
		return nil, err
	}
	c := &Credentials{files: f, roots: roots}
	if c.written, err = f.times(); err != nil {
		return nil, err
	}
	if c.pair, err = f.read(); err != nil {
		return nil, err
	}
	return c, nil
}

func readAuthority(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return roots, nil
}

func (f Files) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	return &pair, nil
}

func (f Files) times() (out [2]time.Time, err error) {
	for i, path := range []string{f.Cert, f.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return out, err
		}
		out[i] = info.ModTime()
	}
	return out, nil
}

// certificate returns the newest one that can be read: while files are being replaced,
// the one before.
func (c *Credentials) certificate() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if written, err := c.files.times(); err == nil && written != c.written {
		if pair, err := c.files.read(); err == nil {
			c.pair, c.written = pair, written
		}
	}
	return c.pair
}

// Server is for listeners that clients connect to: Redis and HTTP. Clients need no
// certificate; they have a password.
func (c *Credentials) Server() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.certificate(), nil },
	}
}

// Peers are for connections between nodes, at both ends: each must show a certificate of
// the authority.
func (c *Credentials) Peers() (server, client *tls.Config) {
	server = c.Server()
	server.MinVersion, server.ClientAuth, server.ClientCAs = tls.VersionTLS13, tls.RequireAndVerifyClientCert, c.roots
	client = &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: c.roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.certificate(), nil },
	}
	return server, client
}

// Client is for those who connect to nodes whose certificates are of the authority in
// the file ca.
func Client(ca string) (*tls.Config, error) {
	roots, err := readAuthority(ca)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}
