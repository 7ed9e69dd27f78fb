package sign

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"go.uber.org/goleak"

	"turnstile/central/issuer"
	"turnstile/central/issuer/issuertest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now   = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	today = pass.DayOf(now)
)

// process is a signing process inside the test.
type process struct {
	config  Config
	log     *bytes.Buffer
	logging sync.Mutex
	stop    func()

	mu      sync.Mutex
	refused []string
}

// Write is the process's log.
func (p *process) Write(b []byte) (int, error) {
	p.logging.Lock()
	defer p.logging.Unlock()
	return p.log.Write(b)
}

// start serves new keys with all rights for this test's user, changed by f.
func start(t *testing.T, f func(*Config)) *process {
	t.Helper()
	dir := t.TempDir()
	keys, err := issuer.Open(filepath.Join(dir, "keys"), issuertest.Site, []byte("correct horse battery"), now)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{log: &bytes.Buffer{}}
	p.config = Config{Site: issuertest.Site, Socket: filepath.Join(dir, "s"), Audit: filepath.Join(dir, "audit"), Keys: keys,
		Users: []User{{UID: os.Getuid(), May: Rights()}}, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(p, nil))}
	if f != nil {
		f(&p.config)
	}
	p.run(t)
	return p
}

func (p *process) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- Run(ctx, p.config, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(p.stop)
}

func (p *process) dial(t *testing.T) *Client {
	t.Helper()
	c, err := Dial(p.config.Socket, issuertest.Site, func(detail string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refused = append(p.refused, detail)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// lines returns the audit, which must be whole.
func (p *process) lines(t *testing.T) (lines []Line) {
	t.Helper()
	n, chain, err := CheckAudit(p.config.Audit, func(l Line) { lines = append(lines, l) })
	if err != nil || n != len(lines) || len(chain) != 64 {
		t.Fatalf("audit of %d lines: %v", n, err)
	}
	return lines
}

func find(lines []Line, what string) (found []Line) {
	for _, l := range lines {
		if l.What == what {
			found = append(found, l)
		}
	}
	return found
}

// TestSuite: over the socket all is as in the process itself, and what was
// signed stands in the audit.
func TestSuite(t *testing.T) {
	p := start(t, nil)
	issuertest.Suite(t, p.dial(t), now)
	p.stop()
	lines := p.lines(t)
	for what, least := range map[string]int{"start": 1, "mint": 3, "lanes": 1, "gate_keys": 1, "lane_certificate": 1, "server_certificate": 1,
		"central_certificate": 1, "revocation_list": 1, "withdraw_key": 2, "keyset": 2, "live_key": 3, "short_code": 2, "refused": 1, "ack": 1, "stop": 1} {
		if got := find(lines, what); len(got) < least {
			t.Errorf("%d lines of %s, want %d", len(got), what, least)
		}
	}
	if g := find(lines, "gate_keys"); !strings.Contains(g[0].Detail, "to lane N1, sealing key ") || g[0].UID != os.Getuid() {
		t.Errorf("%+v", g[0])
	}
}

// TestRights: a portal that may ask for live keys gets these, one by one.
func TestRights(t *testing.T) {
	p := start(t, func(c *Config) { c.Users = []User{{UID: os.Getuid(), May: []Right{RightLive}}} })
	c := p.dial(t)
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one := pass.Pass{Kind: pass.Guest, Day: today, Index: 5, Length: 6, Zones: 1}
	if _, err := c.LiveKey(&one); err != nil {
		t.Error(err)
	}
	refused := map[string]func() error{
		"mint":     func() error { _, _, err := c.Mint(one); return err },
		"index":    func() error { _, err := c.Index(today, 1, 1024); return err },
		"holder":   func() error { _, err := c.Holder(today, "A"); return err },
		"feed":     func() error { _, err := c.Status().Sign([]byte("x")); return err },
		"lanes":    func() error { _, err := c.Keyset().Sign([]byte("x")); return err },
		"renew":    func() error { return c.Renew(today, today+37, false, now) },
		"keys":     func() error { _, _, err := c.Keys(); return err },
		"withdraw": func() error { return c.Withdraw(1, now) },
		"gate keys": func() error {
			_, err := c.SealGateKeys(issuer.GateKeys{Lane: "mine", To: own.PublicKey(), Days: []pass.Day{today}})
			return err
		},
		"lane":   func() error { _, err := c.SignLane([]byte("x"), "mine", now); return err },
		"server": func() error { _, err := issuer.ServerCertificate(c, []string{"x"}, now); return err },
		"list":   func() error { _, err := c.PassKeys(); return err },
	}
	for what, do := range refused {
		if err := do(); !errors.Is(err, issuer.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	late := one
	late.Day = today + 90
	if _, err := c.LiveKey(&late); !errors.Is(err, issuer.ErrRefused) {
		t.Errorf("a live key of a day far away: %v", err)
	}
	if len(p.refused) != len(refused)+1 {
		t.Errorf("central heard of %d refusals, want %d", len(p.refused), len(refused)+1)
	}
	p.stop()
	lines := p.lines(t)
	if n := len(find(lines, "live_key")); n != 1 {
		t.Errorf("%d live keys in the audit", n)
	}
	if n := len(find(lines, "refused")); n < 12 {
		t.Errorf("%d refusals in the audit", n)
	}
}

func TestStranger(t *testing.T) {
	p := start(t, func(c *Config) { c.Users = []User{{UID: os.Getuid() + 1, May: Rights()}} })
	n, err := net.Dial("unix", p.config.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := io.ReadAll(n); err != nil {
		t.Error(err)
	}
	p.stop()
	if l := find(p.lines(t), "refused"); len(l) != 1 || l[0].UID != os.Getuid() {
		t.Errorf("%+v", l)
	}
}

// TestLimits: what is above a limit is refused, alarmed once and counted; a
// minute later there is room again.
func TestLimits(t *testing.T) {
	clock := now
	var mu sync.Mutex
	p := start(t, func(c *Config) {
		c.Limits = Limits{Mint: 3, Releases: 5, Live: 2, Codes: 4}
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	})
	c := p.dial(t)
	if err := c.Renew(today-1, today+37, false, now); err != nil {
		t.Fatal(err)
	}
	one := pass.Pass{Kind: pass.Guest, Day: today, Index: 5, Length: 6, Zones: 1}
	granted := 0
	for range 10 {
		if _, _, err := c.Mint(one); err == nil {
			granted++
		} else if !errors.Is(err, issuer.ErrRefused) {
			t.Fatal(err)
		}
	}
	if granted != 3 || len(p.refused) != 7 || !strings.Contains(p.refused[0], "sign.limits.mint") {
		t.Errorf("%d of 10 minted, refused %q", granted, p.refused)
	}
	mu.Lock()
	clock = clock.Add(time.Minute)
	mu.Unlock()
	if _, _, err := c.Mint(one); err != nil {
		t.Error(err)
	}
	checkReleases(t, c)
	if err := c.Withdraw(1, clock); err != nil {
		t.Fatal(err)
	}
	one.Generation = 1
	for range 20 { // what a withdrawn key signed is signed anew, whatever the limit of a minute
		if _, _, err := c.Mint(one); err != nil {
			t.Fatal(err)
		}
	}
	code := pass.SupervisorCode{Day: today, Index: 9, Hours: 24, Action: pass.ActOpenIn, Cause: 1, Lane: pass.LaneRefOf(issuertest.Site, "north-1", 2)}
	for n := range 5 { // its cause is no generation
		if _, _, err := c.Mint(*code.Pass()); (err == nil) != (n < 4) {
			t.Errorf("supervisor code %d of a limit of 4: %v", n+1, err)
		}
	}
	p.stop()
	lines := p.lines(t)
	if m, r := find(lines, "mint"), find(lines, "refused"); len(m) != 24 || len(r) != 2 {
		t.Errorf("%d mints and %d refusals in the audit", len(m), len(r))
	}
	if k := find(lines, "supervisor_code"); len(k) != 4 || !strings.Contains(k[0].Detail, fmt.Sprintf("open-in lane %x hours 24", code.Lane)) {
		t.Errorf("supervisor codes in the audit: %+v", k)
	}
	if n := find(lines, "refused operation 2"); len(n) != 1 || n[0].Count != 8 {
		t.Errorf("counted %+v", n)
	}
}

// checkReleases un-revokes more than the limit: a range that a lane missed costs
// nothing, new releases do.
func checkReleases(t *testing.T, c *Client) {
	t.Helper()
	delta := func(from, to uint64) error {
		var events []link.Event
		for n := from; n < to; n++ {
			events = append(events, link.Event{Type: link.Release, Day: today, Value: uint32(n)})
		}
		_, err := link.Seal(c.Status(), link.TypeDelta, issuertest.Site, link.Delta{Epoch: 1, From: from, To: to, Data: link.EncodeEvents(events)})
		return err
	}
	for range 3 {
		if err := delta(10, 14); err != nil {
			t.Errorf("4 releases, and again for a lane that missed them: %v", err)
		}
	}
	if err := delta(12, 17); !errors.Is(err, issuer.ErrRefused) {
		t.Errorf("3 more, of a limit of 5: %v", err)
	}
	if err := delta(14, 15); err != nil {
		t.Errorf("the fifth: %v", err)
	}
	if _, err := c.Status().Sign(append([]byte("turnstile/1\x00\x02\x06campus"), 0xff)); !errors.Is(err, issuer.ErrRefused) {
		t.Errorf("no delta: %v", err)
	}
}

// TestRestart: central goes on when central sign was started anew.
func TestRestart(t *testing.T) {
	p := start(t, nil)
	c := p.dial(t)
	if err := c.Renew(today-1, today+37, false, now); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.stop()
		asked := make(chan error, 1)
		go func() { _, err := c.Holder(today, "A"); asked <- err }()
		p.run(t)
		if err := <-asked; err != nil {
			t.Fatal(err)
		}
	}
	p.stop()
	if n := len(find(p.lines(t), "start")); n != 4 {
		t.Errorf("%d starts in the audit", n)
	}
	if _, err := c.Holder(today, "A"); !errors.Is(err, ErrAway) {
		t.Errorf("nobody there: %v", err)
	}
	p.run(t)
	if _, err := Dial(p.config.Socket, "other", nil); !errors.Is(err, ErrForeign) {
		t.Errorf("another site: %v", err)
	}
	if err := Run(context.Background(), p.config, func() {}); !errors.Is(err, ErrSocket) {
		t.Errorf("a second one on the socket: %v", err)
	}
}

// TestBadMessages: who sends rubbish is cut off; others go on.
func TestBadMessages(t *testing.T) {
	p := start(t, nil)
	good := p.dial(t)
	tried := 0
	for what, bytes := range map[string][]byte{
		"too long": binary.BigEndian.AppendUint32(nil, maxFrame+1), "empty": {0, 0, 0, 0}, "no CBOR": {0, 0, 0, 2, 0xff, 0xff},
		"a list": {0, 0, 0, 1, 0x80}, "deep": append([]byte{0, 0, 0, 20}, bytes.Repeat([]byte{0x81}, 20)...),
	} {
		n, err := net.Dial("unix", p.config.Socket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Write(bytes); err != nil {
			t.Fatal(err)
		}
		n.SetReadDeadline(time.Now().Add(20 * time.Second))
		if answer, err := io.ReadAll(n); len(answer) > 0 || os.IsTimeout(err) {
			t.Errorf("%s: answered %x, %v", what, answer, err)
		}
		n.Close()
		tried++
	}
	for _, r := range []request{{Op: 99}, {Op: opMint}, {Op: opLive}, {Op: opGateKeys, Name: "x", Data: []byte{1}}, {Op: opIndex, Day: today, Number: 1 << 40, Of: 1024}} {
		if out, err := good.once(r); err != nil || out.Code == "" {
			t.Errorf("operation %d: %+v, %v", r.Op, out, err)
		}
	}
	if _, err := good.Holder(today, "A"); err != nil || tried != 5 {
		t.Error(err)
	}
}

// TestNoSecretLeaves: neither the socket's replies nor log and audit hold a gate
// key or a private key.
func TestNoSecretLeaves(t *testing.T) {
	p := start(t, nil)
	issuertest.Suite(t, p.dial(t), now)
	keys, ok := p.config.Keys.(*issuer.Issuer)
	if !ok {
		t.Fatal("no issuer")
	}
	p.stop()
	gate := keys.GateKey(today)
	files, err := filepath.Glob(filepath.Join(p.config.Audit, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || len(text) < 1000 {
		t.Fatal(len(text), err)
	}
	for what, data := range map[string][]byte{"audit": text, "log": p.log.Bytes()} {
		if bytes.Contains(data, gate[:]) || strings.Contains(strings.ToLower(string(data)), hex.EncodeToString(gate[:])) || bytes.Contains(data, []byte("correct horse")) {
			t.Errorf("a secret stands in the %s", what)
		}
	}
}

// FuzzRequest: no bytes make the decoder, or what answers, fall over.
func FuzzRequest(f *testing.F) {
	for _, r := range []request{{Op: opHello}, {Op: opMint, Pass: &pass.Pass{Kind: pass.Guest, Day: today, Length: 1, Zones: 1}}, {Op: opIndex, Day: today, Number: 1, Of: 1024},
		{Op: opStatus, Data: []byte("turnstile/1\x00\x02\x06campus\xa0")}, {Op: opRevoked, Serials: [][]byte{{1}}}, {Op: opGateKeys, Name: "N1", Data: make([]byte, 32), Days: []pass.Day{today}}} {
		data, err := cbor.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	keys, err := issuer.Open(filepath.Join(dir, "keys"), issuertest.Site, []byte("correct horse battery"), now)
	if err != nil {
		f.Fatal(err)
	}
	a, err := openAudit(filepath.Join(dir, "audit"), DefaultKeep)
	if err != nil {
		f.Fatal(err)
	}
	defer a.close()
	s := &server{config: Config{Site: issuertest.Site, Keys: keys, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}, budget: newBudget(Limits{}), audit: a}
	all := map[Right]bool{}
	for _, r := range Rights() {
		all[r] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r request
		if len(data) > maxFrame || decode(data, &r) != nil {
			return
		}
		if out := s.answer(1, map[Right]bool{}, &r); out.Code == "" && r.Op != opHello {
			t.Errorf("operation %d without any right", r.Op)
		}
		s.answer(1, all, &r)
	})
}

// TestStolenOffice: who takes over central's process signs within limits and
// days, leaves a trace of each lane that it makes up, and gets no key.
func TestStolenOffice(t *testing.T) {
	p := start(t, func(c *Config) { c.Limits = Limits{Mint: 5, GateKeys: 4} })
	c := p.dial(t)
	if err := c.Renew(today-1, today+37, false, now); err != nil {
		t.Fatal(err)
	}
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []pass.Day{today - 9, today + 60, today + 400} {
		one := pass.Pass{Kind: pass.Staff, Day: day, Index: 5, Length: 6, Zones: 1}
		if _, _, err := c.Mint(one); !errors.Is(err, issuer.ErrRefused) {
			t.Errorf("minted for %s: %v", day, err)
		}
		if _, err := c.Holder(day, "A"); !errors.Is(err, issuer.ErrRefused) {
			t.Errorf("a pseudonym of %s: %v", day, err)
		}
		if _, err := c.SealGateKeys(issuer.GateKeys{Lane: "mine", To: own.PublicKey(), Days: []pass.Day{day}}); !errors.Is(err, issuer.ErrRefused) {
			t.Errorf("a gate key of %s: %v", day, err)
		}
	}
	sealed := 0
	for range 10 {
		if data, err := c.SealGateKeys(issuer.GateKeys{Lane: "mine", To: own.PublicKey(), Days: []pass.Day{today}}); err == nil {
			sealed++
			if k := gateKey(p); bytes.Contains(data, k[:]) {
				t.Error("a gate key goes over the socket")
			}
		}
	}
	if err := c.Renew(today+300, today+337, false, now); !errors.Is(err, issuer.ErrRefused) {
		t.Errorf("keys for next year: %v", err)
	}
	p.stop()
	lines := find(p.lines(t), "gate_keys")
	if sealed != 4 || len(lines) != 4 || !strings.Contains(lines[0].Detail, "lane mine") {
		t.Errorf("sealed %d times, audit %+v", sealed, lines)
	}
}

func gateKey(p *process) (k pass.GateKey) {
	if keys, ok := p.config.Keys.(*issuer.Issuer); ok {
		k = keys.GateKey(today)
	}
	return k
}
