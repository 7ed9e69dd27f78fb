package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME gets the certificate of API and console from an authority such as Let's
// Encrypt, and renews it (RFC 8555, challenge TLS-ALPN-01 of RFC 8737: the
// authority calls http.listen at port 443 of each host, and nothing else).
type ACME struct {
	// Hosts are the names in the certificate; no other name gets one.
	Hosts []string `yaml:"hosts"`
	// AcceptTerms says that you accept the authority's terms of service.
	AcceptTerms bool `yaml:"accept_terms"`
	// Email is told when something is wrong with the certificate. Default none.
	Email string `yaml:"email"`
	// Directory is the authority's URL. Default Let's Encrypt.
	Directory string `yaml:"directory"`
	// CA is a PEM file with the root of a campus's own ACME authority. Default the
	// system's roots.
	CA string `yaml:"ca"`
}

// acmeLimit bounds one request to the authority.
const acmeLimit = 30 * time.Second

var errNoCertificate = errors.New("the file holds no certificate")

// tls returns a configuration whose certificates are kept in a folder.
func (a *ACME) tls(folder string) (*tls.Config, error) {
	client, err := a.client()
	if err != nil {
		return nil, fmt.Errorf("%w: http.acme.ca: %w", ErrConfig, err)
	}
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(folder, "acme")), Email: a.Email,
		HostPolicy: autocert.HostWhitelist(a.Hosts...), Client: &acme.Client{DirectoryURL: a.Directory, HTTPClient: client, UserAgent: "turnstile"},
	}
	t := m.TLSConfig()
	t.MinVersion = tls.VersionTLS12
	return t, nil
}

func (a *ACME) client() (*http.Client, error) {
	if a.CA == "" {
		return &http.Client{Timeout: acmeLimit}, nil
	}
	text, err := os.ReadFile(a.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %w", a.CA, errNoCertificate)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Timeout: acmeLimit, Transport: transport}, nil
}

// check names what is wrong with the setting.
func (a *ACME) check(wrong func(bad bool, field, format string, args ...any)) {
	u, err := url.Parse(a.Directory)
	wrong(a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == ""), "http.acme.directory", "want https://…, the directory of an ACME authority")
	wrong(len(a.Hosts) == 0, "http.acme.hosts", "want the names by which browsers reach central")
	wrong(!a.AcceptTerms, "http.acme.accept_terms", "read the authority's terms of service and set this to true")
}
