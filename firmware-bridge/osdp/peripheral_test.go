package osdp

import (
	"bytes"
	"testing"
	"time"
)

// acu is a panel by hand: it says exactly what a test wants.
type acu struct {
	t        testing.TB
	pd       *Peripheral
	now      time.Time
	sequence uint8
	session  *Session
}

func newACU(t testing.TB, change func(*PeripheralConfig)) *acu {
	t.Helper()
	c := PeripheralConfig{
		Address: 5, Identity: Identity{Vendor: [3]byte{1, 2, 3}, Serial: 9}, Capabilities: Capabilities{{FunctionSecurity, 1, 0}},
		Key: testKey(t, goodKey), Inputs: 2,
	}
	if change != nil {
		change(&c)
	}
	pd, err := NewPeripheral(c)
	if err != nil {
		t.Fatal(err)
	}
	return &acu{t: t, pd: pd, now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
}

// raw sends a packet and returns the answer's bytes without the mark, nil for silence.
func (a *acu) raw(p Packet) []byte {
	a.t.Helper()
	return bytes.Clone(bytes.TrimPrefix(a.pd.Receive(wire(a.t, p), a.now), []byte{mark}))
}

// ask sends a command in the clear and returns the answer's meaning.
func (a *acu) ask(block Block, m Message) (Packet, Message) {
	a.t.Helper()
	b := a.raw(Packet{Address: 5, Sequence: a.sequence, Block: block, Code: m.Code(), Data: m.appendData(nil)})
	a.sequence = a.sequence%3 + 1
	return a.parse(b)
}

func (a *acu) parse(b []byte) (Packet, Message) {
	a.t.Helper()
	p, err := Parse(b)
	if err != nil {
		a.t.Fatalf("% X: %v", b, err)
	}
	data := p.Data
	if p.Block.Type.sealed() {
		if data, err = a.session.Open(p); err != nil {
			a.t.Fatal(err)
		}
	}
	m, err := ReadReply(p.Code, data)
	if err != nil {
		m = Other{p.Code, data}
	}
	return p, m
}

// sealed is ask inside the session.
func (a *acu) sealed(m Message) Message {
	a.t.Helper()
	b, err := a.session.Seal(nil, Packet{Address: 5, Sequence: a.sequence, Code: m.Code(), Data: m.appendData(nil)})
	if err != nil {
		a.t.Fatal(err)
	}
	a.sequence = a.sequence%3 + 1
	_, answer := a.parse(bytes.Clone(bytes.TrimPrefix(a.pd.Receive(b, a.now), []byte{mark})))
	return answer
}

// connect begins anew and makes the handshake with k.
func (a *acu) connect(k Key, selector byte) bool {
	a.t.Helper()
	a.sequence = 0
	a.ask(Block{}, IDRequest{})
	random := Random{1, 2, 3, 4, 5, 6, 7, 8}
	p, m := a.ask(Block{BlockChallenge, []byte{selector}}, Challenge(random))
	c, ok := m.(ClientCryptogram)
	if !ok {
		return false
	}
	a.session = NewSession(k, random)
	if p.Block.Data[0] != selector || c.Cryptogram != a.session.Client(random, c.Random) {
		return false
	}
	server := a.session.Server(random, c.Random)
	_, m = a.ask(Block{BlockServer, []byte{selector}}, ServerCryptogram(server))
	return m == Message(InitialMAC(a.session.Begin(server)))
}

func reason(m Message) Reason {
	if nak, ok := m.(Nak); ok {
		return nak.Reason
	}
	return 0
}

// Outside the secure channel a peripheral says who it is and what it can, and
// refuses all else.
func TestPeripheralInTheClear(t *testing.T) {
	a := newACU(t, nil)
	a.pd.Offer(Raw{Bits: 8, Data: []byte{1}})
	if _, m := a.ask(Block{}, IDRequest{}); m != Message(a.pd.c.Identity) {
		t.Errorf("ID: %s", show(m))
	}
	if _, m := a.ask(Block{}, CapRequest{}); show(m) != show(a.pd.c.Capabilities) {
		t.Errorf("CAP: %s", show(m))
	}
	for _, m := range []Message{Poll, Plain(CmdLocalStatus), LEDs{{}}, Outputs{{}}, Buzzer{}, Text{}, ComSet{}, KeySet{testKey(t, goodKey)}, Other{CmdManufacturer, nil}} {
		if _, answer := a.ask(Block{}, m); reason(answer) != NakSecurity {
			t.Errorf("%s: %s", show(m), show(answer))
		}
	}
	if len(a.pd.Commands()) != 0 {
		t.Error("a command was carried out")
	}
	for _, block := range []Block{{BlockCommand, nil}, {BlockCommandCrypt, nil}} {
		b := a.raw(Packet{Address: 5, Sequence: a.sequence, Block: block, Code: CmdPoll, MAC: []byte{1, 2, 3, 4}})
		a.sequence = a.sequence%3 + 1
		if _, m := a.parse(b); reason(m) != NakSecurity {
			t.Errorf("sealed without a session: %s", show(m))
		}
	}
	b := a.raw(Packet{Address: 5, Sequence: a.sequence, Block: Block{BlockReply, nil}, Code: CmdPoll, MAC: []byte{1, 2, 3, 4}})
	if _, m := a.parse(b); reason(m) != NakBlock {
		t.Errorf("a reply's block: %s", show(m))
	}
}

func TestPeripheralInSession(t *testing.T) {
	a := newACU(t, nil)
	if !a.connect(testKey(t, goodKey), 1) || !a.pd.Secure() {
		t.Fatal("no session")
	}
	a.pd.Offer(Raw{Bits: 16, Data: []byte("HI")})
	a.pd.SetStatus(LocalStatus{Tamper: 1})
	for _, c := range []struct {
		ask  Message
		want string
	}{
		{Poll, "osdp.Raw{Reader:0 Format:0 Bits:16 Data:[72 73]}"},
		{Poll, "osdp.LocalStatus{Tamper:1 Power:0}"},
		{Poll, "osdp.Plain64"},
		{Plain(CmdLocalStatus), "osdp.LocalStatus{Tamper:1 Power:0}"},
		{Plain(CmdInputStatus), "osdp.Other{ID:73 Data:[0 0]}"},
		{Plain(CmdOutputStatus), "osdp.Other{ID:74 Data:[0]}"},
		{Plain(CmdReaderStatus), "osdp.Other{ID:75 Data:[0]}"},
		{Plain(CmdAbort), "osdp.Plain64"},
		{ReceiveSize(1440), "osdp.Plain64"},
		{KeepActive(1000), "osdp.Plain64"},
		{Text{Text: []byte("HELLO")}, "osdp.Plain64"},
		{Other{CmdManufacturer, []byte{1}}, "osdp.Nak{Reason:unknown command Detail:[]}"},
		{Other{CmdOutput, []byte{1}}, "osdp.Nak{Reason:wrong length Detail:[]}"},
		{KeySet{DefaultKey()}, "osdp.Nak{Reason:data not acceptable Detail:[]}"},
		{ComSet{Address: 0x7F}, "osdp.Nak{Reason:data not acceptable Detail:[]}"},
		{ComSet{Address: 6, Baud: 38400}, "osdp.Com{Address:6 Baud:38400}"},
	} {
		if got := show(a.sealed(c.ask)); got != c.want {
			t.Errorf("%s: %s, want %s", show(c.ask), got, c.want)
		}
	}
	if n := len(a.pd.Commands()); n != 4 {
		t.Errorf("%d commands carried out", n)
	}
	if b := a.raw(Packet{Address: 5, Code: CmdID, Data: []byte{0}}); len(b) > 0 || a.pd.Config().Address != 6 {
		t.Errorf("still at its old address: % X", b)
	}
}

// The same sequence number again gets the same bytes; number 0 drops the session.
func TestPeripheralSequence(t *testing.T) {
	a := newACU(t, nil)
	b := a.raw(Packet{Address: 5, Sequence: 2, Code: CmdID, Data: []byte{0}})
	if _, m := a.parse(b); reason(m) != NakSequence {
		t.Errorf("the first command has number 2: %s", show(m))
	}
	if !a.connect(testKey(t, goodKey), 1) {
		t.Fatal("no session")
	}
	a.pd.Offer(Raw{Bits: 8, Data: []byte{7}})
	poll, err := a.session.Seal(nil, Packet{Address: 5, Sequence: a.sequence, Code: CmdPoll})
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Clone(a.pd.Receive(poll, a.now))
	for range 3 {
		if again := a.pd.Receive(poll, a.now); !bytes.Equal(again, first) || len(first) < 20 {
			t.Fatalf("first % X, then % X", first, again)
		}
	}
	if _, m := a.parse(first[1:]); show(m) != "osdp.Raw{Reader:0 Format:0 Bits:8 Data:[7]}" {
		t.Error(show(m))
	}
	a.sequence = a.sequence%3 + 1
	if m := a.sealed(Poll); m != Message(ACK) {
		t.Errorf("the session does not go on: %s", show(m))
	}
	before := a.sequence
	a.raw(Packet{Address: 5, Sequence: 0, Code: CmdID, Data: []byte{0}})
	if a.pd.Secure() {
		t.Error("number 0 has not dropped the session")
	}
	if !a.connect(testKey(t, goodKey), 1) {
		t.Fatal("no second session")
	}
	b = a.raw(Packet{Address: 5, Sequence: a.sequence%3 + 1, Code: CmdPoll})
	if _, m := a.parse(b); reason(m) != NakSequence || a.pd.Secure() {
		t.Errorf("a number left out (%d): %s", before, show(m))
	}
}

// A wrong MAC, a word in the clear and 8 s of silence end the session.
func TestPeripheralSessionEnds(t *testing.T) {
	for name, end := range map[string]func(a *acu){
		"wrong MAC": func(a *acu) {
			b := a.raw(Packet{Address: 5, Sequence: a.sequence, Block: Block{Type: BlockCommand}, Code: CmdPoll, MAC: []byte{1, 2, 3, 4}})
			if _, m := a.parse(b); reason(m) != NakSecurity {
				a.t.Error(show(m))
			}
		},
		"number 0": func(a *acu) {
			b, err := a.session.Seal(nil, Packet{Address: 5, Sequence: 0, Code: CmdPoll})
			if err != nil {
				a.t.Fatal(err)
			}
			if _, m := a.parse(bytes.TrimPrefix(a.pd.Receive(b, a.now), []byte{mark})); reason(m) != NakSecurity {
				a.t.Error(show(m))
			}
		},
		"clear text": func(a *acu) { a.ask(Block{}, Poll) },
		// Attack: a pulse held back; the last command, played again and again, must not
		// keep the session for it.
		"a repetition for 8 s": func(a *acu) {
			poll, err := a.session.Seal(nil, Packet{Address: 5, Sequence: a.sequence, Code: CmdPoll})
			if err != nil {
				a.t.Fatal(err)
			}
			a.sequence = a.sequence%3 + 1
			a.parse(bytes.Clone(bytes.TrimPrefix(a.pd.Receive(poll, a.now), []byte{mark})))
			m := Outputs{{Number: 0, Code: 5, Timer: 2}}
			held, err := a.session.Seal(nil, Packet{Address: 5, Sequence: a.sequence, Code: m.Code(), Data: m.appendData(nil)})
			if err != nil {
				a.t.Fatal(err)
			}
			for range 5 {
				a.now = a.now.Add(silence / 4)
				a.pd.Receive(poll, a.now)
			}
			if _, m := a.parse(bytes.TrimPrefix(a.pd.Receive(held, a.now), []byte{mark})); reason(m) != NakSequence || len(a.pd.Commands()) != 0 {
				a.t.Error(show(m))
			}
		},
		"silence": func(a *acu) {
			a.now = a.now.Add(silence)
			b, err := a.session.Seal(nil, Packet{Address: 5, Sequence: a.sequence, Code: CmdPoll})
			if err != nil {
				a.t.Fatal(err)
			}
			if _, m := a.parse(bytes.TrimPrefix(a.pd.Receive(b, a.now), []byte{mark})); reason(m) != NakSequence {
				a.t.Error(show(m))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newACU(t, nil)
			if !a.connect(testKey(t, goodKey), 1) {
				t.Fatal("no session")
			}
			end(a)
			if a.pd.Secure() {
				t.Error("the session goes on")
			}
			if !a.connect(testKey(t, goodKey), 1) || a.sealed(Poll) != Message(ACK) {
				t.Error("no new session")
			}
		})
	}
}

// A MAC without encryption hides nothing: a key that came so is not taken.
func TestPeripheralWantsDataEncrypted(t *testing.T) {
	for block, want := range map[BlockType]Reason{BlockCommand: NakSecurity, BlockReplyCrypt: NakBlock} {
		a := newACU(t, nil)
		if !a.connect(testKey(t, goodKey), 1) {
			t.Fatal("no session")
		}
		m := KeySet{testKey(t, "1"+goodKey[1:])}
		b, err := SealInClear(a.session, block, Packet{Address: 5, Sequence: a.sequence, Code: m.Code(), Data: m.appendData(nil)})
		if err != nil {
			t.Fatal(err)
		}
		_, answer := a.parse(bytes.Clone(bytes.TrimPrefix(a.pd.Receive(b, a.now), []byte{mark})))
		if reason(answer) != want || a.pd.Config().Key != testKey(t, goodKey) {
			t.Errorf("block %x: %s", uint8(block), show(answer))
		}
	}
}

// Five bytes of noise that look like the beginning of a long packet do not make a
// peripheral deaf to the commands behind them.
func TestPeripheralHearsBehindAFalseBeginning(t *testing.T) {
	a := newACU(t, nil)
	if out := a.pd.Receive([]byte{som, 5, 0xA0, 5, 4}, a.now); len(out) > 0 {
		t.Fatalf("% X", out)
	}
	a.now = a.now.Add(gap)
	if _, m := a.ask(Block{}, IDRequest{}); m != Message(a.pd.c.Identity) {
		t.Error(show(m))
	}
	half := wire(t, Packet{Address: 5, Sequence: a.sequence, Code: CmdCap, Data: []byte{0}})
	a.pd.Receive(half[:4], a.now)
	a.now = a.now.Add(gap - time.Millisecond) // a packet in pieces is one
	if _, m := a.parse(bytes.Clone(bytes.TrimPrefix(a.pd.Receive(half[4:], a.now), []byte{mark}))); m.Code() != ReplyCap {
		t.Error(show(m))
	}
}

// The default key works in install mode only, and a KEYSET ends that mode. Under
// the default key nothing that a visitor showed is told.
func TestPeripheralInstallMode(t *testing.T) {
	a := newACU(t, nil)
	if a.connect(DefaultKey(), 0) {
		t.Fatal("the default key works outside install mode")
	}
	a = newACU(t, func(c *PeripheralConfig) { c.Install, c.Key = true, Key{} })
	a.pd.Offer(Raw{Bits: 8, Data: []byte{7}})
	if a.connect(Key{}, 1) {
		t.Fatal("a session under the zero key")
	}
	if !a.connect(DefaultKey(), 0) || a.pd.Secure() {
		t.Fatal("no session in install mode")
	}
	if m := a.sealed(Poll); m != Message(ACK) {
		t.Errorf("under the default key: %s", show(m))
	}
	if m := a.sealed(Outputs{{Number: 0, Code: 5, Timer: 2}}); reason(m) != NakSecurity || len(a.pd.Commands()) != 0 {
		t.Errorf("an output under the default key: %s", show(m))
	}
	if m := a.sealed(KeySet{testKey(t, goodKey)}); m != Message(ACK) {
		t.Fatal(show(m))
	}
	if a.connect(DefaultKey(), 0) || !a.connect(testKey(t, goodKey), 1) {
		t.Error("after KEYSET the default key works, or the new one does not")
	}
	if m := a.sealed(Poll); m.Code() != ReplyRaw {
		t.Error(show(m))
	}
}

// A wrong server cryptogram is answered with status FF, and no session is there.
func TestPeripheralRefusesStrangers(t *testing.T) {
	a := newACU(t, nil)
	a.ask(Block{}, IDRequest{})
	a.ask(Block{BlockChallenge, []byte{1}}, Challenge{1})
	p, _ := a.ask(Block{BlockServer, []byte{1}}, ServerCryptogram{9})
	if p.Code != ReplyInitialMAC || p.Block.Data[0] != 0xFF || a.pd.Secure() {
		t.Errorf("%+v", p)
	}
	if _, m := a.ask(Block{BlockServer, []byte{1}}, ServerCryptogram{9}); reason(m) != NakBlock {
		t.Errorf("SCRYPT without CHLNG: %s", show(m))
	}
	if _, m := a.ask(Block{BlockChallenge, []byte{1}}, ServerCryptogram{9}); reason(m) != NakBlock {
		t.Errorf("SCRYPT with the wrong block: %s", show(m))
	}
}

// A peripheral hears its own address and the broadcast, and nothing else.
func TestPeripheralAddresses(t *testing.T) {
	a := newACU(t, nil)
	id := Packet{Code: CmdID, Data: []byte{0}}
	for address, answers := range map[uint8]bool{5: true, Broadcast: true, 4: false, 0: false} {
		id.Address = address
		b := a.raw(id)
		if (len(b) > 0) != answers || answers && b[1] != address|replyBit {
			t.Errorf("address %d: % X", address, b)
		}
	}
	id.Address, id.Reply = 5, true
	if b := a.raw(id); len(b) > 0 {
		t.Errorf("answered an answer: % X", b)
	}
	for range keptAnswers {
		a.pd.Offer(Poll)
	}
	if a.pd.Offer(Poll) {
		t.Error("the queue has no bound")
	}
}

// A peripheral that plays SIA's own recording answers it bit by bit.
func TestPeripheralAnswersTheRecording(t *testing.T) {
	said, _ := monitored(t)
	all := chunks(t, "testdata/monitor.osdpcap")
	pd, err := NewPeripheral(PeripheralConfig{
		Identity: said[4].(Identity), Install: true, Capabilities: said[16].(Capabilities),
		Rand: bytes.NewReader(bytes.Repeat([]byte("abcdefgh"), 2)),
	})
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for i := 0; i+1 < len(all); i++ {
		command, answer := all[i].Data, all[i+1].Data
		if command[1]&replyBit != 0 || answer[1]&replyBit == 0 {
			continue
		}
		got := bytes.TrimPrefix(pd.Receive(command, all[i].At), []byte{mark})
		if bytes.Equal(got, answer) {
			same++
			continue
		}
		// It had lost its power supply and its reader; ours is well.
		if code := command[7]; code != CmdLocalStatus && code != CmdReaderStatus {
			t.Fatalf("packet %d: % X, recorded % X", i, got, answer)
		}
		break // the chain of MACs goes another way from here
	}
	if same < 9 {
		t.Errorf("%d answers are those of the recording", same)
	}
}

// Whatever a panel sends, a peripheral stays in step and within its bounds.
func FuzzPeripheral(f *testing.F) {
	for _, c := range chunks(f, "testdata/monitor.osdpcap") {
		f.Add(c.Data, uint16(0))
	}
	f.Add([]byte{som, 5, 9, 0, 4, CmdID, 0}, uint16(9000))
	f.Fuzz(func(t *testing.T, stream []byte, after uint16) {
		a := newACU(t, nil)
		if !a.connect(testKey(t, goodKey), 1) {
			t.Fatal("no session")
		}
		for range 3 {
			a.now = a.now.Add(time.Duration(after) * time.Millisecond)
			if out := a.pd.Receive(stream, a.now); len(out) > (len(stream)/minPacket+1)*(MaxPacket+1) {
				t.Fatalf("%d bytes for %d", len(out), len(stream))
			}
		}
		a.pd.decoder.Flush(func(Packet, error) {})
		if k := a.pd.Config().Key; k != testKey(t, goodKey) {
			t.Fatal("a stranger has set the key")
		}
		a.pd.decoder.Reset()
		if !a.connect(testKey(t, goodKey), 1) {
			t.Fatal("no session after garbage")
		}
	})
}
