package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// How long what is made is valid.
const (
	authorityYears = 10
	nodeYears      = 2
)

// Names of the authority's files in a folder.
const (
	authorityCert = "ca.crt"
	authorityKey  = "ca.key"
)

// Authority can sign certificates.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  any
}

// OpenAuthority reads the authority in dir, or makes one, with the folder. It tells
// whether it did.
func OpenAuthority(dir string) (a *Authority, made bool, err error) {
	certPath, keyPath := filepath.Join(dir, authorityCert), filepath.Join(dir, authorityKey)
	_, err = os.Stat(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, false, err
		}
		made = true
		err = makePair(certPath, keyPath, &x509.Certificate{
			Subject: pkix.Name{CommonName: "raftkv certificate authority"}, NotAfter: time.Now().AddDate(authorityYears, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}, nil)
	}
	if err != nil {
		return nil, false, err
	}
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, false, fmt.Errorf("the certificate authority in %s: %w", dir, err)
	}
	return &Authority{dir: dir, cert: pair.Leaf, key: pair.PrivateKey}, made, nil
}

// Node makes a certificate for a node that is reached by any of hosts (names or IP
// addresses), and its key, and returns their files. Unless renew is set it fails with
// fs.ErrExist if there is one.
func (a *Authority) Node(hosts []string, renew bool) (Files, error) {
	base := filepath.Join(a.dir, hosts[0])
	f := Files{Cert: base + ".crt", Key: base + ".key", CA: filepath.Join(a.dir, authorityCert)}
	if f.Cert == f.CA {
		return f, fmt.Errorf("a node cannot be called %s: that is the authority's file", hosts[0])
	}
	if _, err := os.Stat(f.Cert); err == nil && !renew {
		return f, fmt.Errorf("%s: %w", f.Cert, fs.ErrExist)
	}
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: hosts[0]}, NotAfter: time.Now().AddDate(nodeYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return f, makePair(f.Cert, f.Key, t, a)
}

// makePair writes a certificate and its key, signed by the authority or by itself.
func makePair(certPath, keyPath string, t *x509.Certificate, by *Authority) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return err
	}
	t.NotBefore = time.Now().Add(-time.Hour) // clocks differ
	signer, signerKey := t, any(key)
	if by != nil {
		signer, signerKey = by.cert, by.key
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, signer, key.Public(), signerKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(keyPath, "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return writePEM(certPath, "CERTIFICATE", cert, 0o644)
}

// writePEM writes a file, all or nothing: nodes may be reading it.
func writePEM(path, kind string, bytes []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
