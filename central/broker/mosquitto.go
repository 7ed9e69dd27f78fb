package broker

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"turnstile/central/link"
)

// Mosquitto is what a mosquitto needs to serve a site in place of the embedded
// broker.
type Mosquitto struct {
	Site      string
	Centrals  []string // common names of the centrals' client certificates
	Port      int
	Authority *x509.Certificate
	Server    tls.Certificate // of the broker's host
	Client    tls.Certificate // central's own
	Revoked   []byte          // revocation list, DER
}

// MosquittoFiles writes mosquitto.conf, the access list, certificates and keys
// into a folder and returns the path of mosquitto.conf. Start the broker with
// that folder as its working directory, or move the files and adapt the paths.
// Key files are readable by their owner only.
func MosquittoFiles(dir string, m Mosquitto) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("write mosquitto files: %w", err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	serverKey, err := keyPEM(m.Server)
	if err != nil {
		return "", err
	}
	clientKey, err := keyPEM(m.Client)
	if err != nil {
		return "", err
	}
	files := []struct {
		name string
		mode os.FileMode
		data []byte
	}{
		{"mosquitto.conf", 0o644, []byte(configuration(dir, m.Port))},
		{"acl", 0o600, []byte(accessList(m.Site, m.Centrals))},
		{"authority.crt", 0o644, encode("CERTIFICATE", m.Authority.Raw)},
		{"revoked.crl", 0o644, encode("X509 CRL", m.Revoked)},
		{"server.crt", 0o644, encode("CERTIFICATE", m.Server.Certificate[0])},
		{"server.key", 0o600, serverKey},
		{"central.crt", 0o644, encode("CERTIFICATE", m.Client.Certificate[0])},
		{"central.key", 0o600, clientKey},
	}
	for _, f := range files {
		if err := writePlain(at(f.name), f.data, f.mode); err != nil {
			return "", err
		}
	}
	return at("mosquitto.conf"), nil
}

// writePlain replaces a file; the mode holds also if it was there before.
func writePlain(path string, data []byte, mode os.FileMode) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write mosquitto files: %w", err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return fmt.Errorf("write mosquitto files: %w", err)
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func keyPEM(c tls.Certificate) ([]byte, error) {
	key, ok := c.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("write mosquitto files: a key of type %T", c.PrivateKey)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write mosquitto files: %w", err)
	}
	return encode("PRIVATE KEY", der), nil
}

// configuration takes each client's name from its certificate, as user and as
// client id: no lane can throw another one out.
func configuration(dir string, port int) string {
	return fmt.Sprintf(`# Written by "central mosquitto"; mosquitto 2.0 or later.
listener %d
cafile %[2]s/authority.crt
certfile %[2]s/server.crt
keyfile %[2]s/server.key
crlfile %[2]s/revoked.crl
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file %[2]s/acl

# Retained messages are sent again by central at each connect.
persistence false
message_size_limit %[3]d
# All lanes answer a revocation at once, and central reads them one by one: what
# this does not take is dropped, and said again a minute later.
max_queued_messages 32768
set_tcp_nodelay true
`, port, dir, 2*link.MaxDocument)
}

// accessList gives each lane controller the feed, the zones and its own down topics to read
// and its own up topics to write; %u is the certificate's name.
func accessList(site string, centrals []string) string {
	base := "tg/1/" + site
	var list []string
	for _, c := range centrals {
		list = append(list, "user "+c, "topic readwrite "+base+"/#", "")
	}
	return strings.Join(append(list,
		"pattern read "+base+"/feed/#",
		"pattern read "+base+"/z/#",
		"pattern read "+base+"/a/%u/dn/#",
		"pattern write "+base+"/a/%u/up/state",
		"pattern write "+base+"/a/%u/up/ask",
		"pattern write "+base+"/a/%u/up/use",
		"pattern write "+base+"/a/%u/up/+/log",
		"",
	), "\n")
}
