package server

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// TestThreatsAreTried: each row of THREATS.md names tests, and they exist.
func TestThreatsAreTried(t *testing.T) {
	text, err := os.ReadFile("../issuer/THREATS.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources []byte
	for _, dir := range []string{".", "../issuer", "../sign", "../fleet", "../ledger", "../status", "../supervisor", "../../agent/feed", "../../agent/enrol",
		"../../agent/presence", "../../agent/supervisor", "../keyring", "../identity", "../office", "../webhook", "../../simulator/endtoend"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, data...)
		}
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| stolen") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 6 || len(names) == 0 {
			t.Errorf("a row of %d cells with %d tests: %.60s", len(cells), len(names), line)
		}
		for _, n := range names {
			if !bytes.Contains(sources, []byte("func "+n[1]+"(t *testing.T)")) {
				t.Errorf("there is no %s", n[1])
			}
		}
		rows++
	}
	if rows < 16 {
		t.Errorf("%d rows", rows)
	}
}

// TestStolenLane: with all that a lane has, screenshots live on for two days, and
// nothing can be minted.
func TestStolenLane(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	today := s.feed.Today()
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var days []pass.Day
	for _, l := range s.feed.View().State.Days {
		days = append(days, l.Day)
	}
	message, err := s.issuer.SealGateKeys(issuer.GateKeys{Lane: "N1", Version: 1, To: own.PublicKey(), Days: days})
	if err != nil {
		t.Fatal(err)
	}
	_, data, err := s.issuer.Keys()
	if err != nil {
		t.Fatal(err)
	}
	stolen := stolenLane(t, s.config.Site, message, data, s.issuer.Root(), own)
	if len(stolen) != 3 || stolen[today-1] == (pass.GateKey{}) || stolen[today+1] == (pass.GateKey{}) {
		t.Fatalf("gate keys of %d days", len(stolen))
	}
	for ahead := range 3 {
		o := office.Order{Kind: pass.ECard, Holder: "A", Day: today + pass.Day(ahead), Zones: 1, Length: 24 * time.Hour, Flags: pass.LiveRequired}
		p, err := passes{s.central}.Issue(context.Background(), "test", o)
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.issuer.LiveKey(&p.Pass)
		if err != nil {
			t.Fatal(err)
		}
		gate, has := stolen[p.Day]
		if revived := has && gate.LiveKey(p.Body()) == key; revived != (ahead < 2) {
			t.Errorf("a screenshot of a pass in %d days is revived: %v", ahead, revived)
		}
	}
	for _, secret := range secretsOf(t, s.central) {
		if bytes.Contains(message, secret) || bytes.Contains(data, secret) {
			t.Error("a lane is given a key that signs")
		}
	}
	checkNothingMinted(t, s.central, stolen, today)
}

// stolenLane opens what a lane is given, as the lane does.
func stolenLane(t *testing.T, site string, gate, keys []byte, root link.Root, own *ecdh.PrivateKey) map[pass.Day]pass.GateKey {
	t.Helper()
	m, err := link.ParseKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.OpenDelegation(site, root)
	if err != nil {
		t.Fatal(err)
	}
	g, err := link.Open[link.GateKeys](gate, link.TypeGateKeys, site, link.KeysOf(d.Keyset...), link.MaxDocument)
	if err != nil {
		t.Fatal(err)
	}
	list, err := g.Unseal(site, own)
	if err != nil {
		t.Fatal(err)
	}
	found := map[pass.Day]pass.GateKey{}
	for _, k := range list {
		found[k.Day] = k.Key
	}
	return found
}

// checkNothingMinted tries every secret that the thief has as a signing key.
func checkNothingMinted(t *testing.T, s *central, stolen map[pass.Day]pass.GateKey, today pass.Day) {
	t.Helper()
	tried := 0
	for _, published := range s.feed.View().Keys.Keys {
		for _, gate := range stolen {
			p := pass.Pass{Kind: pass.ECard, KeyID: published.ID, Day: today, Index: 1, Length: 6, Zones: 1}
			c, reason := pass.Parse([]byte(p.Text(ed25519.Sign(ed25519.NewKeyFromSeed(gate[:]), p.Message()))))
			if reason == pass.Granted && c.Verify(published.Public) {
				t.Error("a gate key mints passes")
			}
			tried++
		}
	}
	if tried < 20 {
		t.Errorf("%d keys tried", tried)
	}
}

// secretsOf returns secrets that this central has: those of the day, and what the
// issuer lets its own process see.
func secretsOf(t *testing.T, s *central) (list [][]byte) {
	t.Helper()
	i, ok := s.issuer.(*issuer.Issuer)
	if !ok {
		t.Fatal("the keys are not in this process")
	}
	for ahead := range 5 {
		k := i.GateKey(s.feed.Today() - 1 + pass.Day(ahead))
		list = append(list, k[:])
	}
	return append(list, []byte("correct horse battery"))
}

// TestStolenDatabase: a copy of everything but the key folder holds no key, and
// of a live pass not what its live code is made of.
func TestStolenDatabase(t *testing.T) {
	c := configure(t)
	s := openCentral(t, c)
	o := office.Order{Kind: pass.ECard, Holder: "A", Day: s.feed.Today(), Zones: 1, Length: 24 * time.Hour, Flags: pass.LiveRequired}
	p, err := passes{s.central}.Issue(context.Background(), "test", o)
	if err != nil {
		t.Fatal(err)
	}
	code, err := passes{s.central}.Code(context.Background(), p.ID())
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.issuer.LiveKey(&p.Pass)
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens{s.db, s.config.Now}.Create(context.Background(), "thief", office.NewToken{Name: "thief", Role: rights.Admin})
	if err != nil {
		t.Fatal(err)
	}
	secrets := append(secretsOf(t, s.central), key[:], []byte(code.Text[141:]), []byte(token), []byte(token[len(token)-20:]))
	s.stop()
	bytesSeen := 0
	err = filepath.WalkDir(c.Data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "keys" {
			return filepath.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		bytesSeen += len(data)
		for n, secret := range secrets {
			if bytes.Contains(data, secret) || bytes.Contains(data, []byte(hex.EncodeToString(secret))) {
				t.Errorf("secret %d stands in %s", n, path)
			}
		}
		return err
	})
	if err != nil || bytesSeen < 100_000 || len(secrets) < 9 {
		t.Errorf("%d bytes looked at for %d secrets: %v", bytesSeen, len(secrets), err)
	}
}
