package issuer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

const site = "campus"

var (
	now    = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	today  = pass.DayOf(now)
	phrase = []byte("correct horse battery")
)

// cheap gives a new key folder a derivation that takes no time: what tests open
// often. TestDerivation looks at the true one.
func cheap(t testing.TB, dir string) {
	t.Helper()
	path := filepath.Join(dir, SealFile)
	if _, err := os.Stat(path); err == nil {
		return
	}
	s := newSeal()
	s.Time, s.MemoryKiB, s.Threads = 1, 64, 1
	v, err := s.vault(dir, phrase)
	if err != nil {
		t.Fatal(err)
	}
	s.Check = v.seal(checkName, checkText)
	data, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDerivation: a guess at a passphrase costs 64 MiB and three passes.
func TestDerivation(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, site, phrase, now); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, SealFile))
	var s seal
	if err != nil || json.Unmarshal(data, &s) != nil || s.MemoryKiB < 64<<10 || s.Time < 3 || len(s.Salt) < 16 {
		t.Errorf("%s: %v", data, err)
	}
}

func openIn(t testing.TB, dir string) *Issuer {
	t.Helper()
	cheap(t, dir)
	i, err := Open(dir, site, phrase, now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestIndex: the permutation is one, for odd and even numbers of bits.
func TestIndex(t *testing.T) {
	i := openIn(t, t.TempDir())
	for _, capacity := range []uint32{link.MinCapacity, 2048, 8192, link.MaxCapacity} {
		seen := make([]bool, capacity)
		fixed := 0
		for n := range capacity {
			x, err := i.Index(today, n, capacity)
			if err != nil {
				t.Fatal(err)
			}
			if x >= capacity || seen[x] {
				t.Fatalf("capacity %d: number %d gives index %d, taken %v", capacity, n, x, x < capacity)
			}
			seen[x] = true
			if x == n {
				fixed++
			}
		}
		if fixed > 12 { // one is expected; more than 12 has a chance below 1e-9
			t.Errorf("capacity %d: %d numbers stay where they are", capacity, fixed)
		}
	}
	if index(t, i, today, 1) == index(t, i, today+1, 1) && index(t, i, today, 2) == index(t, i, today+1, 2) {
		t.Error("two days have the same order")
	}
	for _, bad := range [][2]uint32{{0, 0}, {0, 3000}, {4096, 4096}, {0, 1 << 31}} {
		if _, err := i.Index(today, bad[0], bad[1]); !errors.Is(err, ErrSpan) {
			t.Errorf("number %d of %d: %v", bad[0], bad[1], err)
		}
	}
}

func index(t *testing.T, i *Issuer, day pass.Day, number uint32) uint32 {
	t.Helper()
	x, err := i.Index(day, number, 4096)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func holder(t *testing.T, i *Issuer, day pass.Day, person string) [8]byte {
	t.Helper()
	ref, err := i.Holder(day, person)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestHolder(t *testing.T) {
	i := openIn(t, t.TempDir())
	if holder(t, i, today, "A") != holder(t, i, today, "A") || holder(t, i, today, "A") == holder(t, i, today, "B") || holder(t, i, today, "A") == holder(t, i, today+1, "A") {
		t.Error("a pseudonym is of one person on one day")
	}
	if i.GateKey(today) == i.GateKey(today+1) {
		t.Error("two days have one gate key")
	}
}

// TestReopen: the same keys come back; another passphrase, another name and
// damage do not pass.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	i := openIn(t, dir)
	if err := i.Renew(today-1, today+37, false, now); err != nil {
		t.Fatal(err)
	}
	keyset, message, err := i.Keys()
	if err != nil {
		t.Fatal(err)
	}
	again := openIn(t, dir)
	if err := again.Renew(today-1, today+37, false, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	keysetAgain, messageAgain, err := again.Keys()
	if err != nil || keysetAgain.Version != keyset.Version || !bytes.Equal(message, messageAgain) {
		t.Errorf("keyset %d, after reopening %d: %v", keyset.Version, keysetAgain.Version, err)
	}
	if again.GateKey(today) != i.GateKey(today) || !again.Root().Keys[0].Equal(i.Root().Keys[0]) || !again.Authority().Equal(i.Authority()) ||
		index(t, again, today, 7) != index(t, i, today, 7) || again.Status().KeyID() != i.Status().KeyID() {
		t.Error("other keys after reopening")
	}
	if _, err := Open(dir, site, []byte("another battery"), now); !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	root, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"swapped": func() error {
			status, err := os.ReadFile(filepath.Join(dir, "status.key"))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "root.key"), status, 0o600))
		},
		"cut":     func() error { return os.WriteFile(filepath.Join(dir, "root.key"), root[:10], 0o600) },
		"flipped": func() error { root[20] ^= 1; return os.WriteFile(filepath.Join(dir, "root.key"), root, 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, site, phrase, now); !errors.Is(err, ErrDamagedKeys) {
			t.Errorf("root key %s: %v", name, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, site, phrase, now); !errors.Is(err, ErrDamagedKeys) {
		t.Errorf("root key missing: %v, and no new root must be made", err)
	}
}

// TestAtRest: no private key stands in any file as it is, in bytes or in hex,
// and nobody else may read the files.
func TestAtRest(t *testing.T) {
	dir := t.TempDir()
	i := openIn(t, dir)
	if err := i.Renew(today, today, true, now); err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{i.own.key.Seed(), i.role.Load().keyset.key.Seed(), i.role.Load().status.key.Seed(), i.pseudonym, i.gate, i.passKeys[0].private.Seed(), i.authority.key.D.Bytes(), phrase}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 11 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for n, s := range secrets {
			if bytes.Contains(data, s) || bytes.Contains(bytes.ToLower(data), []byte(hex.EncodeToString(s))) {
				t.Errorf("secret %d stands in %s", n, f)
			}
		}
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: %v", f, info.Mode(), err)
		}
	}
}

// TestDelegation: lanes accept it from the root on, and it is renewed in time.
func TestDelegation(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	for n, at := range []time.Time{now, now.AddDate(0, 6, 0), now.AddDate(1, 1, 0)} {
		i, err := Open(dir, site, phrase, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Renew(today, today, false, at); err != nil {
			t.Fatal(err)
		}
		_, message, err := i.Keys()
		if err != nil {
			t.Fatal(err)
		}
		m, err := link.ParseKeys(message)
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.OpenDelegation(site, i.Root())
		if err != nil || d.Expires < at.AddDate(0, 11, 0).Unix() {
			t.Fatalf("delegation %d: %v", n, err)
		}
		if want := []uint64{1, 1, 2}[n]; d.Version != want {
			t.Errorf("delegation at %s has version %d, want %d", at.Format(time.DateOnly), d.Version, want)
		}
		if _, err := m.OpenKeyset(site, d); err != nil {
			t.Error(err)
		}
		if _, err := m.OpenDelegation("other", i.Root()); err == nil {
			t.Error("a delegation of another site")
		}
	}
}

func csr(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCertificates(t *testing.T) {
	i := openIn(t, t.TempDir())
	pool := x509.NewCertPool()
	pool.AddCert(i.Authority())
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{ed, ec} {
		c, err := i.SignLane(csr(t, key), "N1", now)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{now.Add(-6 * 24 * time.Hour), now.Add(89 * 24 * time.Hour)} {
			_, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if err != nil || c.Subject.CommonName != "N1" {
				t.Errorf("certificate of %q at %s: %v", c.Subject.CommonName, at, err)
			}
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
			t.Error("a lane's certificate serves")
		}
	}
	s, err := i.ServerCertificate([]string{"central.example", "192.0.2.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"central.example", "192.0.2.1"} {
		if _, err := s.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: host}); err != nil {
			t.Error(err)
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	damaged := csr(t, ec)
	damaged[len(damaged)-1] ^= 1
	for what, request := range map[string][]byte{"RSA": csr(t, weak), "damaged": damaged, "empty": nil} {
		if _, err := i.SignLane(request, "N1", now); !errors.Is(err, ErrRequest) {
			t.Errorf("%s request: %v", what, err)
		}
	}
	if _, err := i.SignLane(csr(t, ec), CentralName, now); !errors.Is(err, ErrRequest) {
		t.Errorf("a lane with central's name: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PHRASE", "from the environment")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	write("phrase", "from a credential\r\n", 0o444)
	for _, c := range []struct {
		p    Passphrase
		want string
		err  error
	}{
		{Passphrase{Env: "PHRASE"}, "from the environment", nil},
		{Passphrase{File: write("good", "from a file\n", 0o600)}, "from a file", nil},
		{Passphrase{Credential: "phrase"}, "from a credential", nil},
		{Passphrase{}, "", ErrNoPassphrase},
		{Passphrase{Env: "PHRASE", File: "x"}, "", ErrNoPassphrase},
		{Passphrase{Env: "NO_SUCH_VARIABLE"}, "", ErrNoPassphrase},
		{Passphrase{File: filepath.Join(dir, "missing")}, "", ErrNoPassphrase},
		{Passphrase{File: write("short", "short\n", 0o600)}, "", ErrNoPassphrase},
		{Passphrase{File: write("long", strings.Repeat("x", maxPassphrase+1), 0o600)}, "", ErrNoPassphrase},
		{Passphrase{File: dir}, "", ErrExposed},
		{Passphrase{Credential: "../good"}, "", ErrNoPassphrase},
		{Passphrase{File: write("group", "from a file\n", 0o640)}, "", ErrExposed},
		{Passphrase{File: write("others", "from a file\n", 0o604)}, "", ErrExposed},
	} {
		got, err := c.p.Read()
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%+v: %q, %v; want %v", c.p, got, err, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "from a file") {
			t.Errorf("the error tells the passphrase: %v", err)
		}
	}
}
