package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"turnstile/central/porttest"
)

// authority starts Pebble, Let's Encrypt's own small ACME server, which checks
// names at the port. It returns its directory, the file with its server's
// certificate, and the roots of what it issues.
func authority(t *testing.T, port int) (directory, file string, roots *x509.CertPool) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "of the test"}})
	front := wfe.New(quiet, store, va.New(quiet, 0, port, false, names(t), store), issuer, []string{"pebble.example"}, false, false, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)
	file = filepath.Join(t.TempDir(), "acme.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM())
	return s.URL + wfe.DirectoryPath, file, roots
}

// TestACME gets a certificate from a real ACME server and keeps it over a restart.
func TestACME(t *testing.T) {
	port := porttest.Keep(t)
	c := configure(t)
	c.HTTP.Listen = "127.0.0.1:" + strconv.Itoa(port)
	directory, file, roots := authority(t, port)
	c.HTTP.ACME = &ACME{Hosts: []string{"office.example"}, AcceptTerms: true, Directory: directory, CA: file}
	var first *x509.Certificate
	for range 2 {
		r := run(t, c)
		leaf := handshake(t, c.HTTP.Listen, roots)
		if first != nil && !leaf.Equal(first) {
			t.Error("the certificate was not kept over a restart")
		}
		first = leaf
		if r.endpoints.HTTP != fmt.Sprintf("https://127.0.0.1:%d", port) {
			t.Errorf("the API is at %s", r.endpoints.HTTP)
		}
		if _, err := tls.Dial("tcp", c.HTTP.Listen, &tls.Config{ServerName: "other.example", RootCAs: roots}); err == nil {
			t.Error("a foreign name got a certificate")
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(c.Data, "acme"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the keys: %v %v", info.Mode(), err)
	}
}

func handshake(t *testing.T, address string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "office.example"}}, Timeout: patience}
	answer, err := client.Get("https://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over TLS")
	}
	return answer.TLS.PeerCertificates[0]
}

// names starts a DNS server for which every name is this machine.
func names(t *testing.T) (address string) {
	t.Helper()
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.LocalAddr().String()
	free.Close()
	s, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{address}, Log: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	s.SetDefaultDNSIPv4("127.0.0.1")
	s.SetDefaultDNSIPv6("")
	go s.Run()
	t.Cleanup(s.Shutdown)
	return address
}
