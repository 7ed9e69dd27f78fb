package site

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"turnstile/agent/cache"
	"turnstile/agent/enrol"
)

// Secret is something that must stand in no log, as bytes or as the text that it is.
type Secret struct {
	What  string
	Value []byte
}

// leastSecret bytes is what may be looked for: less is found by chance.
const leastSecret = 12

// forms are the ways in which a program prints bytes.
func (s Secret) forms() [][]byte {
	raw := base64.RawStdEncoding.EncodeToString(s.Value)
	return [][]byte{
		s.Value, []byte(hex.EncodeToString(s.Value)), []byte(strings.ToUpper(hex.EncodeToString(s.Value))),
		[]byte(raw), []byte(base64.RawURLEncoding.EncodeToString(s.Value)),
		[]byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s.Value)),
		[]byte(strings.Trim(fmt.Sprint(s.Value), "[]")),
	}
}

// Leaks looks for secrets in all logs of the site: central's passphrase and API
// token, all that a lane's identity keeps private, its gate keys, and more.
// It returns one line for each that was found, and how many secrets and bytes of
// logs were compared. The agents must have ended.
func (s *Site) Leaks(more ...Secret) (found []string, secrets, size int, err error) {
	all, err := s.secrets()
	if err != nil {
		return nil, 0, 0, err
	}
	all = append(all, more...)
	logs, err := filepath.Glob(s.path("logs", "*.log"))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list logs: %w", err)
	}
	for _, log := range logs {
		b, err := os.ReadFile(log)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("read log: %w", err)
		}
		size += len(b)
		for _, secret := range all {
			if secret.in(b) {
				found = append(found, fmt.Sprintf("%s has the %s", filepath.Base(log), secret.What))
			}
		}
	}
	return found, len(all), size, nil
}

func (s Secret) in(log []byte) bool {
	if len(s.Value) < leastSecret {
		return false
	}
	for _, form := range s.forms() {
		if bytes.Contains(log, form) {
			return true
		}
	}
	return false
}

func (s *Site) secrets() ([]Secret, error) {
	phrase, err := os.ReadFile(s.path("central", "passphrase"))
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	all := []Secret{{"passphrase", bytes.TrimSpace(phrase)}}
	if s.API != nil {
		all = append(all, Secret{"API token", []byte(s.API.Token)})
	}
	for _, a := range s.Agents {
		own, err := a.secrets()
		if err != nil {
			return nil, err
		}
		all = append(all, own...)
	}
	return all, nil
}

// secrets are what an agent's data folder keeps private.
func (a *Agent) secrets() ([]Secret, error) {
	b, err := os.ReadFile(filepath.Join(a.Data, enrol.FileName))
	if err != nil {
		return nil, fmt.Errorf("read identity of %s: %w", a.ID, err)
	}
	var private struct {
		TLS     []byte `json:"tls_key"`
		Journal []byte `json:"journal_key"`
		Seal    []byte `json:"seal_key"`
	}
	if err := json.Unmarshal(b, &private); err != nil {
		return nil, fmt.Errorf("decode identity of %s: %w", a.ID, err)
	}
	all := []Secret{{"TLS key of " + a.ID, private.TLS}, {"journal key of " + a.ID, private.Journal}, {"sealing key of " + a.ID, private.Seal}}
	c, _, err := cache.Open(filepath.Join(a.Data, "cache.bolt"), cache.Options{})
	if err != nil {
		return nil, fmt.Errorf("open cache of %s: %w", a.ID, err)
	}
	defer c.Close()
	for day, key := range c.View().Gate {
		all = append(all, Secret{fmt.Sprintf("gate key of %s at %s", day, a.ID), key[:]})
	}
	return all, nil
}
