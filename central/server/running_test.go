package server

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// patience bounds each wait of a test: a busy machine is slow.
const patience = time.Minute

// running is a central that runs inside the test.
type running struct {
	config    Config
	endpoints Endpoints
	stop      func() error
}

// configure returns a configuration on free ports with data in a new folder.
func configure(t *testing.T) Config {
	t.Helper()
	t.Setenv("TEST_PASSPHRASE", "correct horse battery")
	c := Default()
	c.Data = filepath.Join(t.TempDir(), "data")
	c.Passphrase.Env = "TEST_PASSPHRASE"
	c.HTTP.Listen, c.Enrol.Listen, c.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Heads, c.Log = 200*time.Millisecond, slog.New(slog.DiscardHandler)
	return c
}

func run(t *testing.T, c Config) *running {
	t.Helper()
	r := &running{config: c}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan Endpoints, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, c, func(e Endpoints) { ready <- e }) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	select {
	case r.endpoints = <-ready:
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	case <-time.After(patience):
		t.Fatal("central is not ready")
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return r
}

// api calls the API with an admin's token.
type api struct {
	base, token string
}

func (r *running) api(t *testing.T) *api {
	t.Helper()
	store, closer, err := OpenTokens(context.Background(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	token, err := store.Create(context.Background(), "test", office.NewToken{Name: "test-" + rand.Text()[:6], Role: rights.Admin})
	if err != nil {
		t.Fatal(err)
	}
	return &api{r.endpoints.HTTP + office.Base, token}
}

func (a *api) call(t *testing.T, method, path string, body, answer any) int {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequest(method, a.base+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(data, answer); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, data, err)
		}
	}
	return response.StatusCode
}

// lane is a lane controller made of the contract alone: it enrols, follows the
// feed, and sends its journal.
type lane struct {
	id      string
	topics  link.Topics
	answer  link.EnrolAnswer
	journal ed25519.PrivateKey
	seal    *ecdh.PrivateKey
	tls     *tls.Config
	client  mqtt.Client
	got     chan mqtt.Message
	lost    chan struct{}
}

// KeyID and Sign make the lane a link.Signer.
func (l *lane) KeyID() link.KeyID { return link.IDOf(l.journal.Public().(ed25519.PublicKey)) }

func (l *lane) Sign(message []byte) ([]byte, error) { return ed25519.Sign(l.journal, message), nil }

// request makes the lane's keys and its enrolment request.
func (l *lane) request(t *testing.T, token link.EnrolToken) link.EnrolRequest {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	l.journal, l.seal = private, seal
	l.tls = &tls.Config{Certificates: []tls.Certificate{{PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return link.EnrolRequest{TokenID: token.ID[:], TokenSecret: token.Secret[:], CSR: csr, JournalKey: public, SealKey: seal.PublicKey().Bytes()}
}

// pinned is an HTTPS client that trusts the authority whose certificate has the hash.
func pinned(authority link.Hash) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // verified below, against the pinned hash
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			for _, der := range raw {
				if sha256.Sum256(der) != authority {
					continue
				}
				pool := x509.NewCertPool()
				ca, err := x509.ParseCertificate(der)
				if err != nil {
					return err
				}
				pool.AddCert(ca)
				leaf, err := x509.ParseCertificate(raw[0])
				if err != nil {
					return err
				}
				_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "localhost"})
				return err
			}
			return errors.New("not the pinned authority")
		},
	}}}
}

func postEnrol(t *testing.T, r *running, authority link.Hash, request any) (int, []byte) {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	response, err := pinned(authority).Post(r.endpoints.Enrol+link.EnrolPath, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, data
}

// enrol invites and enrols a lane controller.
func (r *running) enrol(t *testing.T, a *api, id string) *lane {
	t.Helper()
	var invited struct {
		Token string `json:"token"`
	}
	if code := a.call(t, "POST", "/lanes", map[string]string{"id": id}, &invited); code/100 != 2 {
		t.Fatalf("POST /lanes: %d", code)
	}
	token, err := link.ParseEnrolToken(invited.Token)
	if err != nil {
		t.Fatal(err)
	}
	l := &lane{id: id, topics: link.Topics{Site: r.config.Site}, got: make(chan mqtt.Message, 1000), lost: make(chan struct{})}
	code, data := postEnrol(t, r, token.Authority, l.request(t, token))
	if code != http.StatusOK {
		t.Fatalf("enrol: %d %s", code, data)
	}
	if err := json.Unmarshal(data, &l.answer); err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(l.answer.Authority)
	if err != nil {
		t.Fatal(err)
	}
	l.tls.RootCAs = x509.NewCertPool()
	l.tls.RootCAs.AddCert(authority)
	l.tls.Certificates[0].Certificate = [][]byte{l.answer.Certificate}
	return l
}

func (l *lane) connect(t *testing.T) error {
	t.Helper()
	l.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(l.answer.Broker).SetClientID(l.id).SetTLSConfig(l.tls).
		SetProtocolVersion(4).SetAutoReconnect(false).SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { l.got <- m }).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(l.lost) }))
	token := l.client.Connect()
	if !token.WaitTimeout(patience) {
		t.Fatal("connect does not end")
	}
	if token.Error() != nil {
		return token.Error()
	}
	t.Cleanup(func() { l.client.Disconnect(0) })
	for _, filter := range []string{l.topics.Feed(), l.topics.Down(l.id)} {
		if !l.client.Subscribe(filter, 0, nil).WaitTimeout(patience) {
			t.Fatal("no SUBACK")
		}
	}
	return nil
}

func (l *lane) publish(t *testing.T, topic string, kind link.Type, payload any, retained bool) {
	t.Helper()
	data, err := link.Seal(l, kind, l.topics.Site, payload)
	if err != nil {
		t.Fatal(err)
	}
	if !l.client.Publish(topic, 1, retained, data).WaitTimeout(patience) {
		t.Fatal("publish does not end")
	}
}

// await returns the next message on a topic that fits.
func (l *lane) await(t *testing.T, topic string, fits func(payload []byte) bool) []byte {
	t.Helper()
	over := time.After(patience)
	for {
		select {
		case m := <-l.got:
			if m.Topic() == topic && fits(m.Payload()) {
				return m.Payload()
			}
		case <-over:
			t.Fatalf("nothing fitting on %s", topic)
		}
	}
}

// open opens a message of central, or fails.
func open[T any](t *testing.T, kind link.Type, keys link.Keys, data []byte) *T {
	t.Helper()
	v, err := link.Open[T](data, kind, "campus", keys, link.MaxDocument)
	if err != nil {
		t.Fatalf("open message: %v", err)
	}
	return v
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, over := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
