package pass_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"turnstile/central/pass"
)

// Test keys, public and for tests alone. Key 9 is not in the file.
const (
	keyA = 47
	keyB = 48
	keyC = 9
)

const today = pass.Day(2516) // 2026-11-21

func testKey(id uint16) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "campus-pass test key %d", id))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testGateKey(d pass.Day) pass.GateKey {
	return sha256.Sum256(fmt.Appendf(nil, "campus-pass test gate key %d", d))
}

// basic is a good eCard of a campus in UTC+8; live is the same shown live.
func basic() pass.Pass {
	return pass.Pass{
		Kind: pass.ECard, KeyID: keyA, Day: today, Index: 4711, Start: -480, Length: 144, Zones: 1, Passback: 1,
		Holder: [8]byte{0x3a, 0x91, 0x5c, 0x07, 0xee, 0x42, 0xd8, 0x6b},
	}
}

func with(change func(p *pass.Pass)) pass.Pass {
	p := basic()
	change(&p)
	return p
}

func live() pass.Pass { return with(func(p *pass.Pass) { p.Flags = pass.LiveRequired }) }

func sign(p pass.Pass) []byte { return ed25519.Sign(testKey(p.KeyID), p.Message()) }

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// raw returns the 88 bytes of a pass, which a change may damage afterwards.
func raw(p pass.Pass, change func(b []byte)) []byte {
	b := p.Body()
	all := append(b[:], sign(p)...)
	if change != nil {
		change(all)
	}
	return all
}

// signedBody signs 24 bytes as they are, also such as no Pass can be.
func signedBody(change func(b []byte)) string {
	p := basic()
	b := p.Body()
	change(b[:])
	m := append([]byte("campus-pass/1\x00"), b[:]...)
	return base32Text.EncodeToString(append(b[:], ed25519.Sign(testKey(keyA), m)...))
}

func code(p pass.Pass) string { return p.Text(sign(p)) }

func liveCode(p pass.Pass, slot uint32) string {
	return p.LiveText(sign(p), testGateKey(p.Day).LiveKey(p.Body()), slot)
}

// noon is 12:00 campus time of today, in the middle of a slot.
var noon = today.UTC() + 4*3600 + 7

var slotNow = pass.SlotAt(noon)

// maker collects vectors.
type maker struct {
	t    *testing.T
	file vectors
}

func makeVectors(t *testing.T) *vectors {
	m := &maker{t, vectors{Format: "campus-pass/1", Keys: map[string]string{}, GateKeys: map[string]string{}}}
	for _, id := range []uint16{keyA, keyB, 0, 65535} {
		m.file.Keys[strconv.Itoa(int(id))] = hex.EncodeToString(testKey(id).Public().(ed25519.PublicKey))
	}
	for _, d := range []pass.Day{today, today - 1} {
		k := testGateKey(d)
		m.file.GateKeys[strconv.Itoa(int(d))] = hex.EncodeToString(k[:])
	}
	m.good()
	m.foreign()
	m.framed()
	m.encoded()
	m.beyondBounds()
	m.unknown()
	m.forged()
	m.crafted()
	m.windows()
	m.live()
	return &m.file
}

// stage is where a vector is refused.
type stage int

const (
	atParse stage = iota
	atVerify
	atWindow
	atLive
)

// add appends a vector that is refused for r at the stage, or with Granted not at all.
func (m *maker) add(name, text string, now int64, tolerance uint32, at stage, r pass.Reason) {
	v := vector{Name: name, Now: now, Tolerance: tolerance, Expect: expect{Parse: pass.Granted.String()}}
	if utf8.ValidString(text) {
		v.Text = &text
	} else {
		v.Hex = hex.EncodeToString([]byte(text))
	}
	c, _ := pass.Parse([]byte(text))
	reached := []*string{&v.Expect.Parse, &v.Expect.Verify, &v.Expect.Window, &v.Expect.Live}
	for i, s := range reached {
		if i == int(atLive) && c.Flags&pass.LiveRequired == 0 {
			break
		}
		*s = pass.Granted.String()
		if i == int(at) && r != pass.Granted {
			*s = r.String()
			break
		}
	}
	if at > atParse || r == pass.Granted {
		v.Fields = fieldsOf(&c)
	}
	m.file.Vectors = append(m.file.Vectors, v)
}

func (m *maker) parse(name, text string, r pass.Reason) { m.add(name, text, noon, 1, atParse, r) }

// passes adds a code that is good in the middle of its window.
func (m *maker) passes(name string, p pass.Pass) {
	from, until := p.Window()
	now := (from + until) / 2
	if p.Flags&pass.LiveRequired != 0 {
		m.add(name, liveCode(p, pass.SlotAt(now)), now, 1, atLive, pass.Granted)
		return
	}
	m.add(name, code(p), now, 1, atLive, pass.Granted)
}

func (m *maker) good() {
	m.passes("good eCard", basic())
	for _, k := range []pass.Kind{pass.Guest, pass.Staff, pass.Test} {
		m.passes("good "+k.String(), with(func(p *pass.Pass) { p.Kind = k }))
	}
	for f := range pass.Flags(8) {
		m.passes(fmt.Sprintf("good flags %03b", f), with(func(p *pass.Pass) { p.Flags = f }))
	}
	for _, c := range []struct {
		name   string
		change func(p *pass.Pass)
	}{
		{"key id 0", func(p *pass.Pass) { p.KeyID = 0 }},
		{"key id 65535", func(p *pass.Pass) { p.KeyID = 65535 }},
		{"day 0, before 2020 in UTC", func(p *pass.Pass) { p.Day = 0 }},
		{"day 65535", func(p *pass.Pass) { p.Day = 65535 }},
		{"index 0", func(p *pass.Pass) { p.Index = 0 }},
		{"index 65536", func(p *pass.Pass) { p.Index = 65536 }},
		{"index at most", func(p *pass.Pass) { p.Index = pass.MaxIndex }},
		{"start at least", func(p *pass.Pass) { p.Start = pass.MinStart }},
		{"start 0", func(p *pass.Pass) { p.Start = 0 }},
		{"start at most", func(p *pass.Pass) { p.Start = pass.MaxStart }},
		{"length 1", func(p *pass.Pass) { p.Length = 1 }},
		{"length 150", func(p *pass.Pass) { p.Length = pass.MaxLength }},
		{"zone 15 alone", func(p *pass.Pass) { p.Zones = 1 << 15 }},
		{"all zones", func(p *pass.Pass) { p.Zones = 0xffff }},
		{"generation 255", func(p *pass.Pass) { p.Generation = 255 }},
		{"single entry", func(p *pass.Pass) { p.Entries = 1 }},
		{"entries 15, passback 0", func(p *pass.Pass) { p.Entries, p.Passback = 15, 0 }},
		{"entries 0, passback 15", func(p *pass.Pass) { p.Passback = 15 }},
		{"holder of zeros", func(p *pass.Pass) { p.Holder = [8]byte{} }},
		{"holder of ones", func(p *pass.Pass) { p.Holder = [8]byte{255, 255, 255, 255, 255, 255, 255, 255} }},
	} {
		m.passes("good "+c.name, with(c.change))
	}
}

func (m *maker) foreign() {
	for _, c := range []struct{ name, text string }{
		{"empty", ""},
		{"one letter", "C"},
		{"web address", "https://www.example.org/menu/lunch?table=12&lang=en"},
		{"Wi-Fi", "WIFI:T:WPA;S:Campus Guest;P:not-a-secret;;"},
		{"business card", "BEGIN:VCARD\nVERSION:3.0\nN:Chan;Tai Man\nEND:VCARD"},
		{"one-time password", "otpauth://totp/Example:someone?secret=JBSWY3DPEHPK3PXP&issuer=Example"},
		{"number", strings.Repeat("0123456789", 14) + "0"},
		{"health certificate", "HC1:6BF" + strings.Repeat("+70T9WTWGVLK 59", 9)},
		{"sentence with our first letters", "CEDAR TREES AND OTHER PLANTS OF THE CAMPUS GARDEN, A WALK IN TEN STOPS"},
		{"short base32", "CEAABCDE"},
		{"long base32", strings.Repeat("MFRGG", 60)},
		{"141 spaces", strings.Repeat(" ", 141)},
		{"web address of 141 characters", "https://www.example.org/" + strings.Repeat("campus/", 16) + "lunch"},
		{"141 bytes of UTF-8", strings.Repeat("校園", 23) + "abc"},
		{"141 bytes of no text", strings.Repeat("\xff\x00\x01", 47)},
		{"base32hex", base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(raw(basic(), nil))},
	} {
		m.parse("foreign "+c.name, c.text, pass.Foreign)
	}
}

// framed has what scanners and copying people do to a good text.
func (m *maker) framed() {
	still, moving := code(basic()), liveCode(live(), slotNow)
	insert := func(at int, s string) string { return still[:at] + s + still[at:] }
	for _, c := range []struct{ name, text string }{
		{"lower case", strings.ToLower(still)},
		{"one lower-case letter", strings.ToLower(still[:1]) + still[1:]},
		{"live lower case", strings.ToLower(moving)},
		{"padding", still + "==="},
		{"live padding", moving + "======"},
		{"CR behind", still + "\r"},
		{"LF behind", still + "\n"},
		{"CR LF behind", still + "\r\n"},
		{"space before", " " + still},
		{"space inside", insert(70, " ")},
		{"CR inside", insert(70, "\r")},
		{"LF inside", insert(8, "\n")},
		{"LF in place of the last", still[:140] + "\n"},
		{"digit 0 in place of O", still[:60] + "0" + still[61:]},
		{"digit 1", still[:60] + "1" + still[61:]},
		{"digit 8", still[:60] + "8" + still[61:]},
		{"digit 9", still[:60] + "9" + still[61:]},
		{"a flipped high bit", still[:60] + string([]byte{still[60] | 0x80}) + still[61:]},
		{"NUL inside", still[:60] + "\x00" + still[61:]},
		{"byte order mark", "\ufeff" + still},
		{"first half", still[:70]},
		{"first character lost", still[1:]},
		{"last character lost", still[:140]},
		{"a character more", still + "A"},
		{"ten characters more", still + "AAAAAAAAAA"},
		{"live last character lost", moving[:153]},
		{"live a character more", moving + "A"},
		{"two codes in one scan", still + still},
		{"two codes with CR LF between", still + "\r\n" + still},
	} {
		m.parse("framed "+c.name, c.text, pass.Malformed)
	}
}

// encoded has texts that a lax decoder takes for a good one.
func (m *maker) encoded() {
	still, moving := code(basic()), liveCode(live(), slotNow)
	next := func(s string, n byte) string { // adds n to the value of the last character, whose spare bits are 0
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
		last := strings.IndexByte(letters, s[len(s)-1])
		return s[:len(s)-1] + string(letters[byte(last)+n])
	}
	m.parse("encoded spare bit", next(still, 1), pass.Malformed)
	for n := byte(1); n < 4; n++ {
		m.parse(fmt.Sprintf("encoded live spare bits %02b", n), next(moving, n), pass.Malformed)
	}
	tail := append(raw(basic(), nil), make([]byte, 8)...)
	m.parse("encoded tail without LIVE_REQUIRED", base32Text.EncodeToString(tail), pass.Malformed)
	still141 := func(slot uint32) string { return liveCode(live(), slot)[:141] }
	m.parse("live cut to 141, slot bit left over", still141(1<<15), pass.Malformed)
}

func (m *maker) beyondBounds() {
	put16 := binary.BigEndian.PutUint16
	for _, c := range []struct {
		name   string
		change func(b []byte)
	}{
		{"start -841", func(b []byte) { put16(b[9:], 0x10000-841) }},
		{"start -32768", func(b []byte) { put16(b[9:], 0x8000) }},
		{"start 2221", func(b []byte) { put16(b[9:], 2221) }},
		{"start 32767", func(b []byte) { put16(b[9:], 0x7fff) }},
		{"length 0", func(b []byte) { b[11] = 0 }},
		{"length 151", func(b []byte) { b[11] = 151 }},
		{"length 255", func(b []byte) { b[11] = 255 }},
		{"no zone", func(b []byte) { put16(b[12:], 0) }},
	} {
		m.parse("bounds "+c.name, signedBody(c.change), pass.Malformed)
	}
}

func (m *maker) unknown() {
	for _, n := range []byte{0, 2, 15} {
		m.parse(fmt.Sprintf("version %d", n), signedBody(func(b []byte) { b[0] = n<<4 | 1 }), pass.VersionUnknown)
	}
	for _, k := range []byte{0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14} {
		m.parse(fmt.Sprintf("kind %d", k), signedBody(func(b []byte) { b[0] = 1<<4 | k }), pass.KindUnknown)
	}
	for bit := 3; bit < 8; bit++ {
		m.parse(fmt.Sprintf("flag bit %d", bit), signedBody(func(b []byte) { b[1] = 1 << bit }), pass.FlagsUnknown)
	}
	m.parse("version 2 before kind 0", signedBody(func(b []byte) { b[0] = 2 << 4 }), pass.VersionUnknown)
	m.parse("kind 4 before flag bit 7", signedBody(func(b []byte) { b[0], b[1] = 1<<4|4, 128 }), pass.KindUnknown)
	m.parse("flag bit 7 before length 0", signedBody(func(b []byte) { b[1], b[11] = 128, 0 }), pass.FlagsUnknown)
	m.parse("version 2 with a tail", base32Text.EncodeToString(append(raw(basic(), func(b []byte) { b[0] = 2<<4 | 1 }), make([]byte, 8)...)), pass.VersionUnknown)
}

func (m *maker) verify(name, text string, r pass.Reason) { m.add(name, text, noon, 1, atVerify, r) }

// forged has good bytes that the key did not sign.
func (m *maker) forged() {
	m.verify("key unknown", code(with(func(p *pass.Pass) { p.KeyID = keyC })), pass.KeyUnknown)
	other := basic()
	m.verify("forged signed with another key", other.Text(ed25519.Sign(testKey(keyB), other.Message())), pass.Forged)
	for _, c := range []struct {
		name string
		at   int
		xor  byte
	}{
		{"kind", 0, 3}, {"flags", 1, 4}, {"key id", 3, keyA ^ keyB}, {"day high", 4, 1}, {"day low", 5, 1}, {"index high", 6, 1},
		{"index middle", 7, 1}, {"index low", 8, 1}, {"start high", 9, 1}, {"start low", 10, 1}, {"length", 11, 1},
		{"zones high", 12, 1}, {"zones low", 13, 2}, {"generation", 14, 1}, {"entries", 15, 16}, {"passback", 15, 1},
		{"holder first", 16, 128}, {"holder last", 23, 1}, {"R first", 24, 1}, {"R sign", 55, 128}, {"S first", 56, 1}, {"S last", 87, 1},
	} {
		m.verify("forged "+c.name, base32Text.EncodeToString(raw(basic(), func(b []byte) { b[c.at] ^= c.xor })), pass.Forged)
	}
	flipped := raw(basic(), func(b []byte) { b[1] |= 1 })
	m.verify("forged LIVE_REQUIRED set", base32Text.EncodeToString(flipped), pass.Forged)
	m.verify("forged LIVE_REQUIRED cleared", base32Text.EncodeToString(raw(live(), func(b []byte) { b[1] = 0 })), pass.Forged)
	m.verify("forged signature of zeros", base32Text.EncodeToString(raw(basic(), func(b []byte) { clear(b[24:]) })), pass.Forged)
	m.verify("forged R and S exchanged", base32Text.EncodeToString(raw(basic(), func(b []byte) {
		r := slices.Clone(b[24:56])
		copy(b[24:], b[56:88])
		copy(b[56:], r)
	})), pass.Forged)
}

// crafted has signatures over the wrong message, and such as only some
// Ed25519 verifiers accept.
func (m *maker) crafted() {
	p := basic()
	body := p.Body()
	key := testKey(keyA)
	for _, c := range []struct{ name, message string }{
		{"without prefix", string(body[:])},
		{"prefix without NUL", "campus-pass/1" + string(body[:])},
		{"prefix of version 2", "campus-pass/2\x00" + string(body[:])},
		{"prefix of the live tag", "campus-live/1\x00" + string(body[:])},
		{"without the last byte", "campus-pass/1\x00" + string(body[:23])},
		{"of the text", code(p)},
	} {
		m.verify("domain "+c.name, p.Text(ed25519.Sign(key, []byte(c.message))), pass.Forged)
	}
	ctx, err := key.Sign(nil, body[:], &ed25519.Options{Context: "campus-pass/1"})
	if err != nil {
		m.t.Fatal(err)
	}
	digest := sha512Of(p.Message())
	ph, err := key.Sign(nil, digest, &ed25519.Options{Hash: crypto.SHA512})
	if err != nil {
		m.t.Fatal(err)
	}
	m.verify("domain as an Ed25519ctx context", p.Text(ctx), pass.Forged)
	m.verify("domain Ed25519ph", p.Text(ph), pass.Forged)
	good := sign(p)
	m.verify("curve S plus L", p.Text(plusOrder(good, 1)), pass.Forged)
	m.verify("curve S plus 2 L", p.Text(plusOrder(good, 2)), pass.Forged)
	m.verify("curve S plus 7 L", p.Text(plusOrder(good, 7)), pass.Forged)
	m.verify("curve R of mixed order", p.Text(mixedOrder(key, p.Message())), pass.Forged)
	m.verify("curve R not canonical", p.Text(nonCanonicalR(key, p.Message())), pass.Forged)
}

func (m *maker) windows() {
	for _, c := range []struct {
		name string
		p    pass.Pass
	}{
		{"campus day", basic()},
		{"ten minutes", with(func(p *pass.Pass) { p.Start, p.Length = 540, 1 })},
		{"beyond the next midnight", with(func(p *pass.Pass) { p.Start, p.Length = pass.MaxStart, pass.MaxLength })},
		{"first day", with(func(p *pass.Pass) { p.Day, p.Start = 0, pass.MinStart })},
		{"last day", with(func(p *pass.Pass) { p.Day, p.Start, p.Length = 65535, pass.MaxStart, pass.MaxLength })},
	} {
		from, until := c.p.Window()
		m.add("window "+c.name+", a second before", code(c.p), from-1, 1, atWindow, pass.TooEarly)
		m.add("window "+c.name+", first second", code(c.p), from, 1, atWindow, pass.Granted)
		m.add("window "+c.name+", last second", code(c.p), until-1, 1, atWindow, pass.Granted)
		m.add("window "+c.name+", a second after", code(c.p), until, 1, atWindow, pass.Expired)
	}
}

func (m *maker) live() {
	p := live()
	shown := func(name string, d int64, tolerance uint32, r pass.Reason) {
		m.add("live "+name, liveCode(p, uint32(int64(slotNow)+d)), noon, tolerance, atLive, r)
	}
	shown("of this slot", 0, 0, pass.Granted)
	shown("of the slot before", -1, 1, pass.Granted)
	shown("of the slot after", 1, 1, pass.Granted)
	shown("four slots old in holdover", -4, 4, pass.Granted)
	shown("four slots ahead in holdover", 4, 4, pass.Granted)
	shown("two slots old", -2, 1, pass.LiveStale)
	shown("two slots ahead", 2, 1, pass.LiveStale)
	shown("five slots old in holdover", -5, 4, pass.LiveStale)
	shown("five slots ahead in holdover", 5, 4, pass.LiveStale)
	shown("an hour old", -240, 4, pass.LiveStale)
	shown("32767 slots ahead", 32767, 4, pass.LiveStale)
	shown("32768 slots old", -32768, 4, pass.LiveStale)
	shown("32769 slots old: the nearest full slot is another", -32769, 4, pass.LiveForged)
	shown("65536 slots old: the same 16 bits", -65536, 4, pass.LiveForged)
	m.wraps()
	text := base32Text.EncodeToString
	moving, err := base32Text.DecodeString(liveCode(p, slotNow))
	if err != nil {
		m.t.Fatal(err)
	}
	altered := func(name string, change func(b []byte)) {
		b := slices.Clone(moving)
		change(b)
		m.add("live "+name, text(b), noon, 1, atLive, pass.LiveForged)
	}
	altered("tag's first bit", func(b []byte) { b[90] ^= 128 })
	altered("tag's last bit", func(b []byte) { b[95] ^= 1 })
	altered("tag of zeros", func(b []byte) { clear(b[90:]) })
	altered("slot of the next, tag of this", func(b []byte) { b[89]++ })
	m.add("live tag of another pass", liveTagOf(with(func(q *pass.Pass) { q.Flags, q.Index = pass.LiveRequired, 4712 }), p), noon, 1, atLive, pass.LiveForged)
	m.add("live tag by the gate key of yesterday", p.LiveText(sign(p), testGateKey(today-1).LiveKey(p.Body()), slotNow), noon, 1, atLive, pass.LiveForged)
	m.add("live without its tail", code(p), noon, 1, atLive, pass.LiveMissing)
	m.add("live cut to 141, nothing left over", liveCode(p, 1<<14)[:141], noon, 1, atLive, pass.LiveMissing)
	m.add("live guest without its tail", code(with(func(q *pass.Pass) { q.Kind, q.Flags = pass.Guest, pass.LiveRequired })), noon, 1, atLive, pass.LiveMissing)
}

// wraps has codes around the moment at which the 16 bits of the slot begin anew.
func (m *maker) wraps() {
	whole := (slotNow>>16 + 1) << 16
	at := func(slot uint32) int64 { return int64(slot) * pass.SlotSeconds }
	day := pass.Day((at(whole) - pass.Day(0).UTC()) / 86400)
	m.file.GateKeys[strconv.Itoa(int(day))] = hex.EncodeToString(sliceOf(testGateKey(day)))
	p := with(func(p *pass.Pass) { p.Flags, p.Day, p.Start = pass.LiveRequired, day, 0 })
	m.add("live wrap: slot 65535 seen at 0", liveCode(p, whole-1), at(whole), 1, atLive, pass.Granted)
	m.add("live wrap: slot 0 seen at 65535", liveCode(p, whole), at(whole)-1, 1, atLive, pass.Granted)
	m.add("live wrap: slot 65534 seen at 0", liveCode(p, whole-2), at(whole), 1, atLive, pass.LiveStale)
	m.add("live wrap: tag over 16 bits of the slot", liveTagAt(p, whole, whole&0xffff), at(whole), 1, atLive, pass.LiveForged)
}

func sliceOf(k pass.GateKey) []byte { return k[:] }

// liveTagOf returns the live code of p with the tag of another pass.
func liveTagOf(other, p pass.Pass) string {
	return p.LiveText(sign(p), testGateKey(p.Day).LiveKey(other.Body()), slotNow)
}

// liveTagAt returns the live code of p in a slot with the tag of another slot.
func liveTagAt(p pass.Pass, slot, tagged uint32) string {
	tag := testGateKey(p.Day).LiveKey(p.Body()).Tag(p.Body(), tagged)
	b := binary.BigEndian.AppendUint16(raw(p, nil), uint16(slot))
	return base32Text.EncodeToString(append(b, tag[:]...))
}
