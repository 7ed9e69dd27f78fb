package osdp_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
)

// unkeyed is a new reader: it takes the default key.
func unkeyed(t testing.TB, address uint8) *osdptest.Reader {
	c := osdptest.Config(address, osdp.Key{})
	c.Install = true
	return reader(t, c)
}

func install(t testing.TB, b *osdptest.Bench, window time.Duration) {
	t.Helper()
	if err := b.Panel.Install(0, window, b.Now); err != nil {
		t.Fatal(err)
	}
}

func TestInstall(t *testing.T) {
	r := unkeyed(t, 0)
	b := bench(t, r)
	b.Run(10 * time.Second)
	install(t, b, 5*time.Minute)
	online(t, b, 0)
	s := status(t, b, 0)
	if s.Install || s.Line.Sessions != 2 || count(b, osdp.EventKeySet, 0) != 1 || count(b, osdp.EventInstallOpened, 0) != 1 ||
		count(b, osdp.EventInstallClosed, 0) != 1 || count(b, osdp.EventAlarm, osdp.AlarmInstall) != 0 {
		t.Errorf("%+v", s)
	}
	r.Do(func(p *osdp.Peripheral) {
		if c := p.Config(); c.Install || c.Key != key(t, '0') || !p.Secure() {
			t.Error("the reader does not have its key, or still takes the default one")
		}
	})
	r.Scan("FIRST")
	b.Run(time.Second)
	if len(texts(b, 0)) != 1 {
		t.Error("no scan after the install")
	}
	sound(t, b, 0)
}

// A window forgets which reader was met, and not which one was named: one that the
// configuration does not name would be refused from the next start on.
func TestInstallKeepsTheNamedReader(t *testing.T) {
	r := unkeyed(t, 0)
	b, err := osdptest.NewBench(osdp.PanelConfig{Baud: baud, Devices: []osdp.DeviceConfig{{Key: key(t, '0'), Pin: &osdp.Pin{CUID: osdp.CUID{1}}}}}, r)
	if err != nil {
		t.Fatal(err)
	}
	install(t, b, time.Minute)
	b.Run(2 * time.Minute)
	if s := status(t, b, 0); s.Online || count(b, osdp.EventAlarm, osdp.AlarmIdentity) != 1 {
		t.Errorf("%+v", s)
	}
	noKeySet(t, b)
}

// A window is for a reader that is asked, and for as long as it is.
func TestWindowOfAStoppedReader(t *testing.T) {
	b := bench(t, unkeyed(t, 0))
	listen := func(on bool) {
		if err := b.Panel.Listen(0, on, b.Now); err != nil {
			t.Fatal(err)
		}
	}
	listen(false)
	if err := b.Panel.Install(0, time.Minute, b.Now); !errors.Is(err, osdp.ErrStopped) {
		t.Errorf("a window for nobody: %v", err)
	}
	listen(true)
	install(t, b, time.Minute)
	listen(false)
	if s := status(t, b, 0); s.Install || !errors.Is(s.Err, osdp.ErrStopped) {
		t.Errorf("%+v", s)
	}
	listen(true)
	b.Run(2 * time.Minute)
	noKeySet(t, b)
}

// A master key gives each reader a key of its own.
func TestInstallOfMasterKey(t *testing.T) {
	r := unkeyed(t, 0)
	master := key(t, '5')
	b, err := osdptest.NewBench(osdp.PanelConfig{Baud: baud, Devices: []osdp.DeviceConfig{{Key: master, Master: true}}}, r)
	if err != nil {
		t.Fatal(err)
	}
	install(t, b, time.Minute)
	online(t, b, 0)
	r.Do(func(p *osdp.Peripheral) {
		if got := p.Config().Key; got == master || got != master.Diversified(status(t, b, 0).Pin.CUID) {
			t.Error("the reader has another key than E(master, cUID || ~cUID)")
		}
	})
}

// Attack: install mode left on. The window closes by itself, with an alarm, and the
// default key is refused from then on.
func TestInstallLeftOpen(t *testing.T) {
	r := good(t, 0)
	r.Spoil(func(_, _ []byte) []byte { return nil })
	b := bench(t, r)
	install(t, b, time.Minute)
	b.Run(59 * time.Second)
	if s := status(t, b, 0); !s.Install || count(b, osdp.EventAlarm, osdp.AlarmInstall) != 0 {
		t.Fatalf("before its time: %+v", s)
	}
	b.Run(2 * time.Second)
	if s := status(t, b, 0); s.Install || s.Alarm != osdp.AlarmInstall || count(b, osdp.EventAlarm, osdp.AlarmInstall) != 1 || count(b, osdp.EventInstallClosed, 0) != 1 {
		t.Fatalf("after its time: %+v", s)
	}
	b.Readers[0] = unkeyed(t, 0)
	closed := len(b.Wire)
	b.Run(time.Minute)
	if status(t, b, 0).Online {
		t.Error("online under the default key")
	}
	for _, p := range b.Wire[closed:] {
		if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && p.Sent && q.Code == osdp.CmdChallenge && q.Block.Data[0] == 0 {
			t.Fatal("asked for the default key after the window")
		}
	}
	noKeySet(t, b)
}

// The window closes in the middle of a handshake under the default key: no KEYSET
// follows.
func TestWindowClosesDuringHandshake(t *testing.T) {
	r := unkeyed(t, 0)
	b := bench(t, r)
	var until time.Time
	r.Spoil(func(command, answer []byte) []byte {
		if parsed(t, command).Code == osdp.CmdServerCrypt && b.Now.Before(until) {
			return nil
		}
		return answer
	})
	until = b.Now.Add(time.Minute)
	install(t, b, time.Minute)
	b.Run(2 * time.Minute)
	noKeySet(t, b)
	if s := status(t, b, 0); s.Online || s.Install {
		t.Errorf("%+v", s)
	}
}

func TestInstallIsBounded(t *testing.T) {
	b := bench(t, good(t, 0))
	for _, d := range []time.Duration{0, -1, osdp.MaxInstall + 1} {
		if err := b.Panel.Install(0, d, b.Now); !errors.Is(err, osdp.ErrWindow) {
			t.Errorf("%v: %v", d, err)
		}
	}
	if err := b.Panel.Install(9, time.Minute, b.Now); !errors.Is(err, osdp.ErrAddress) {
		t.Error(err)
	}
	install(t, b, time.Minute)
	if err := b.Panel.CloseInstall(0, b.Now); err != nil {
		t.Fatal(err)
	}
	online(t, b, 0)
	if s := status(t, b, 0); s.Install || count(b, osdp.EventAlarm, osdp.AlarmInstall) != 0 {
		t.Errorf("%+v", s)
	}
}

// Attack: KEYSET captured. Under the default key, whoever listens learns the new
// key: that is done here with SIA's own public recording in TestPublicSecureSession, and
// with ours below. Under the reader's own key he learns nothing.
func TestKeySetCaptured(t *testing.T) {
	r := unkeyed(t, 0)
	b := bench(t, r)
	install(t, b, time.Minute)
	online(t, b, 0)
	if got, ok := eavesdrop(t, b, osdp.DefaultKey()); !ok || got != key(t, '0') {
		t.Error("a recording of the install does not give the key: has the standard changed?")
	}
	installed := len(b.Wire)
	if err := b.Panel.Rekey(0, key(t, '7')); err != nil {
		t.Fatal(err)
	}
	if !b.Until(10*time.Second, func() bool { return count(b, osdp.EventKeySet, 0) == 2 }) {
		t.Fatalf("not rekeyed: %+v", status(t, b, 0))
	}
	online(t, b, 0)
	b.Wire = b.Wire[installed:]
	if _, ok := eavesdrop(t, b, osdp.DefaultKey()); ok {
		t.Error("a recording of the new key gives it away")
	}
	secret := key(t, '7')
	for _, p := range b.Wire {
		if bytes.Contains(p.Data, secret[:]) {
			t.Error("the key stands on the line")
		}
	}
}

// eavesdrop follows a recording with nothing but a guess of the base key, and
// returns the key that KEYSET gave.
func eavesdrop(t *testing.T, b *osdptest.Bench, base osdp.Key) (osdp.Key, bool) {
	t.Helper()
	var s *osdp.Session
	var a osdp.Random
	for _, piece := range b.Wire {
		q, err := osdp.Parse(bytes.TrimPrefix(bytes.Clone(piece.Data), []byte{0xFF}))
		if err != nil {
			continue
		}
		switch {
		case q.Code == osdp.CmdChallenge && !q.Reply:
			a = osdp.Random(q.Data)
			s = osdp.NewSession(base, a)
		case q.Code == osdp.ReplyClientCrypt && q.Reply:
			s.Begin(s.Server(a, osdp.Random(q.Data[8:])))
		case q.Code == osdp.CmdKeySet && s != nil:
			data, err := s.Open(q)
			if err != nil {
				return osdp.Key{}, false
			}
			m, err := osdp.ReadCommand(q.Code, data)
			k, ok := m.(osdp.KeySet)
			return k.Key, err == nil && ok
		}
	}
	return osdp.Key{}, false
}

// Some readers answer KEYSET in the clear (libosdp issue 194; trap ii). That is no
// proof and no alarm: the new key is proved by the next handshake.
func TestKeySetAnsweredInTheClear(t *testing.T) {
	for _, name := range []string{"install", "rekey"} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			if name == "install" {
				r = unkeyed(t, 0)
			}
			r.Spoil(func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdKeySet {
					return clear(t, command, osdp.ReplyACK)
				}
				return answer
			})
			b := bench(t, r)
			if name == "install" {
				install(t, b, time.Minute)
			} else {
				online(t, b, 0)
				if err := b.Panel.Rekey(0, key(t, '6')); err != nil {
					t.Fatal(err)
				}
			}
			if !b.Until(10*time.Second, func() bool { return count(b, osdp.EventKeySet, 0) == 1 }) {
				t.Fatalf("no new key: %+v", status(t, b, 0))
			}
			online(t, b, 0)
			if n := count(b, osdp.EventAlarm, osdp.AlarmClearText); n != 0 {
				t.Errorf("%d alarms", n)
			}
		})
	}
}

// The same answer from somebody else, while the reader never got the key, changes
// nothing.
func TestKeySetAnsweredByAStranger(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	bent := func(wire []byte) []byte {
		wire = bytes.Clone(wire)
		wire[len(wire)-1] ^= 1
		return wire
	}
	b.Meddle = func(p osdptest.Piece) []byte {
		if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && p.Sent && q.Code == osdp.CmdKeySet {
			return bent(p.Data)
		}
		return p.Data
	}
	answered := 0
	r.Spoil(func(command, answer []byte) []byte {
		if q, err := osdp.Parse(bytes.TrimPrefix(bent(command), []byte{0xFF})); err == nil && q.Code == osdp.CmdKeySet {
			answered++
			return clear(t, bent(command), osdp.ReplyACK)
		}
		return answer
	})
	if err := b.Panel.Rekey(0, key(t, '6')); err != nil {
		t.Fatal(err)
	}
	b.Run(10 * time.Second)
	if s := status(t, b, 0); answered != 1 || !s.Online || count(b, osdp.EventKeySet, 0) != 0 || count(b, osdp.EventKeyKept, 0) != 1 {
		t.Errorf("answered %d times, %+v", answered, s)
	}
}

// The answer to KEYSET is lost: the panel finds out which key the reader has.
func TestKeySetAnswerLost(t *testing.T) {
	for name, c := range map[string]struct {
		arrives bool
		want    osdp.EventKind
	}{"after it was taken": {true, osdp.EventKeySet}, "before it was taken": {false, osdp.EventKeyKept}} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			b := bench(t, r)
			online(t, b, 0)
			var gone bool
			r.Spoil(func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdKeySet {
					gone = true
				}
				if gone {
					return nil
				}
				return answer
			})
			if !c.arrives {
				b.Meddle = func(p osdptest.Piece) []byte {
					if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && p.Sent && q.Code == osdp.CmdKeySet {
						return nil
					}
					return p.Data
				}
			}
			if err := b.Panel.Rekey(0, key(t, '6')); err != nil {
				t.Fatal(err)
			}
			if err := b.Panel.Rekey(0, key(t, '5')); !errors.Is(err, osdp.ErrFull) {
				t.Errorf("a second new key: %v", err)
			}
			b.Run(12 * time.Second)
			r.Spoil(nil)
			b.Meddle = nil
			online(t, b, 0)
			if count(b, c.want, 0) != 1 || count(b, osdp.EventKeySet, 0)+count(b, osdp.EventKeyKept, 0) != 1 {
				t.Errorf("events %+v", b.Events)
			}
			if n := count(b, osdp.EventAlarm, osdp.AlarmKey); n != 0 {
				t.Errorf("%d alarms", n)
			}
		})
	}
}

// A stranger who spoils the first handshakes after a KEYSET cannot make the panel
// forget that the reader may have the new key.
func TestNewKeyIsTriedAgain(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	spoiled := 0
	r.Spoil(func(command, answer []byte) []byte {
		if parsed(t, command).Code == osdp.CmdChallenge && spoiled < 3 {
			spoiled++
			return clear(t, command, osdp.ReplyNAK, byte(osdp.NakSecurity))
		}
		return answer
	})
	if err := b.Panel.Rekey(0, key(t, '6')); err != nil {
		t.Fatal(err)
	}
	b.Run(10 * time.Second)
	if s := status(t, b, 0); !s.Online || spoiled != 3 || count(b, osdp.EventKeySet, 0) != 1 || count(b, osdp.EventAlarm, osdp.AlarmKey) != 1 {
		t.Errorf("spoiled %d, %+v", spoiled, s)
	}
}

func TestRekeyRefusesWeakKeysAndOfflineReaders(t *testing.T) {
	b := bench(t, good(t, 0))
	if err := b.Panel.Rekey(0, key(t, '6')); !errors.Is(err, osdp.ErrOffline) {
		t.Error(err)
	}
	online(t, b, 0)
	if err := b.Panel.Rekey(0, osdp.DefaultKey()); !errors.Is(err, osdp.ErrWeakKey) {
		t.Error(err)
	}
	if err := b.Panel.Rekey(3, key(t, '6')); !errors.Is(err, osdp.ErrAddress) {
		t.Error(err)
	}
}

// A reader that refuses the new key keeps the old one and stays online.
func TestReaderRefusesKey(t *testing.T) {
	r := good(t, 0)
	r.Spoil(script(t, key(t, '0'), func(s *osdp.Session, q osdp.Packet, data []byte) ([]byte, error) {
		answer := osdp.Packet{Address: q.Address, Reply: true, Sequence: q.Sequence, Code: osdp.ReplyACK}
		switch q.Code {
		case osdp.CmdID:
			answer.Code, answer.Data = osdp.ReplyID, make([]byte, 12)
		case osdp.CmdCap:
			answer.Code, answer.Data = osdp.ReplyCap, []byte{9, 1, 1}
		case osdp.CmdKeySet:
			answer.Code, answer.Data = osdp.ReplyNAK, []byte{byte(osdp.NakRecord)}
		}
		return s.Seal([]byte{0xFF}, answer)
	}))
	b := bench(t, r)
	online(t, b, 0)
	if err := b.Panel.Rekey(0, key(t, '6')); err != nil {
		t.Fatal(err)
	}
	b.Run(time.Second)
	if s := status(t, b, 0); count(b, osdp.EventKeyKept, 0) != 1 || !s.Online || s.Line.Sessions != 1 {
		t.Errorf("%+v", s)
	}
	// The same for a new reader inside its window: it stays refused.
	r.Spoil(script(t, osdp.DefaultKey(), func(s *osdp.Session, q osdp.Packet, data []byte) ([]byte, error) {
		return s.Seal([]byte{0xFF}, osdp.Packet{Address: q.Address, Reply: true, Sequence: q.Sequence, Code: osdp.ReplyNAK, Data: []byte{byte(osdp.NakRecord)}})
	}))
	b.Panel.Reset(b.Now, errGone)
	install(t, b, 30*time.Second)
	b.Run(time.Minute)
	if s := status(t, b, 0); s.Online || count(b, osdp.EventAlarm, osdp.AlarmInstall) != 1 || count(b, osdp.EventKeySet, 0) != 0 {
		t.Errorf("%+v", s)
	}
}
