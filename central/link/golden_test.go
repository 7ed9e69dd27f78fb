package link_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// sealedGateKeys is one HPKE box for the test seal key (RFC 9180 is randomized,
// so it cannot be made again): the gate keys of today and tomorrow.
const sealedGateKeys = "ebf326101ea68df34575b58a74814f4eb1bb2f9cefae6a1f7414c60d637fff24b44db5f4d32f3440903875ad0570ded52f68b77104f4be45ca6cc057" +
	"32b9a4d1359433d5523ffa68a2c7bd4a7508c4325ee8fc91bbdd496ff307bb8639455b7d7dd9f6588b0f33be71ae5f42e57d3b914fa54e31b01b4f62" +
	"beb2b378da00d6e258"

// message is one message of each type: its sender's key, its bound, and how it opens.
type message struct {
	name    string
	typ     link.Type
	by      string
	limit   int
	payload any
	open    func(data []byte, typ link.Type, site string, keys link.Keys, limit int) (any, error)
}

func opener[T any](data []byte, typ link.Type, site string, keys link.Keys, limit int) (any, error) {
	v, err := link.Open[T](data, typ, site, keys, limit)
	return v, err
}

// messages returns one of each type, with each field set.
func messages(t testing.TB) []message {
	state := apply(t, link.NewState(1), exampleEvents())
	list := state.Day(today)
	snap := link.SnapshotOf(state, list)
	inflated, err := link.Inflate(snap.Data, 1024/4+8+5)
	if err != nil {
		t.Fatal(err)
	}
	snap.Data = stored(inflated)
	events := exampleEvents()
	root := state.Root()
	rows := encoded(exampleEntries())
	batch := link.NewBatch(lane, exampleJournal(), 1, link.JournalStart(exampleJournal()), rows)
	if inflated, err = link.Inflate(batch.Data, int(batch.Size)); err != nil {
		t.Fatal(err)
	}
	batch.Data = stored(inflated)
	return []message{
		{"head", link.TypeHead, "status", link.MaxHead, &link.Head{
			Epoch: 1, Seq: 12, Chain: state.Chain, Root: root, Revoked: state.Refused(), SnapSeq: 12,
			Snapshots: []link.DayHash{{Day: today, Hash: list.Hash()}}, Keyset: 3, Rules: 4, Issued: 1795233605000, Next: 5000, Expires: 1795237205000, Reconnect: 2000, Lanes: 6,
		}, opener[link.Head]},
		{"delta", link.TypeDelta, "status", link.MaxDelta, &link.Delta{
			Epoch: 1, From: 0, To: 12, Before: link.ChainStart(1), After: state.Chain, Root: root[:], Data: link.EncodeEvents(events), Urgent: true,
		}, opener[link.Delta]},
		{"snapshot", link.TypeSnapshot, "status", link.MaxDocument, snap, opener[link.Snapshot]},
		{"keyset", link.TypeKeyset, "keyset", link.MaxDocument, exampleKeyset(), opener[link.Keyset]},
		{"rules", link.TypeRules, "status", link.MaxDocument, exampleRules(), opener[link.Rules]},
		{"gate keys", link.TypeGateKeys, "keyset", link.MaxDocument, &link.GateKeys{Lane: lane, Version: 5, Sealed: unhex(t, sealedGateKeys)}, opener[link.GateKeys]},
		{"ack", link.TypeAck, "status", link.MaxState, &link.Ack{Lane: lane, Journal: exampleJournal(), Seq: 4, Chain: batch.After, Issued: 1795233609000}, opener[link.Ack]},
		{"delegation", link.TypeDelegation, "root 1", link.MaxDocument, exampleDelegation(), opener[link.Delegation]},
		{"batch", link.TypeBatch, "lane", link.MaxDocument, batch, opener[link.Batch]},
		{"state", link.TypeState, "lane", link.MaxState, exampleLaneState(), opener[link.LaneState]},
		{"ask", link.TypeAsk, "lane", link.MaxState, &link.Ask{Lane: lane, Want: link.WantRange, Epoch: 1, From: 7, To: 12, Sent: 1795233609100}, opener[link.Ask]},
		{"time", link.TypeTime, "status", link.MaxState, &link.Time{Lane: lane, Nonce: link.Nonce(hashOf("nonce")), At: 1795233609150}, opener[link.Time]},
		{"lanes", link.TypeLanes, "keyset", link.MaxDocument, &link.Lanes{Zone: 0, Version: 6, Issued: 1795100000000, Lanes: []link.Peer{
			{ID: lane, Key: signer("lane").public()}, {ID: "south-1", Key: signer("south").public()}}}, opener[link.Lanes]},
		{"uses", link.TypeUses, "status", link.MaxDocument, &link.Uses{Lane: "south-1", From: 5, Next: 17, More: true, Groups: []link.UseGroup{
			{Lane: lane, Journal: exampleJournal(), Entries: exampleUses()}}}, opener[link.Uses]},
		{"use", link.TypeUse, "lane", link.MaxUse, &link.Use{Lane: lane, Journal: exampleJournal(), Zone: 0, Entries: exampleUses(), Sent: 1795233608700}, opener[link.Use]},
		{"command", link.TypeCommand, "status", link.MaxCommand, exampleCommand(), opener[link.Command]},
	}
}

func exampleKeyset() *link.Keyset {
	return &link.Keyset{Version: 3, Issued: 1795100000000, Keys: []link.PassKey{
		{ID: 47, Public: signer("pass 47").public(), Kinds: 1<<pass.ECard | 1<<pass.Guest, From: today - 3, To: today + 3},
		{ID: 48, Public: signer("pass 48").public(), Kinds: 1 << pass.Staff, From: today - 3, To: today + 10},
	}}
}

func exampleDelegation() *link.Delegation {
	return &link.Delegation{
		Version: 2, Threshold: 2, Expires: 1826755200,
		Roots:  []ed25519.PublicKey{signer("root 1").public(), signer("root 2").public(), signer("root 3").public()},
		Keyset: []ed25519.PublicKey{signer("keyset").public()}, Status: []ed25519.PublicKey{signer("status").public()},
	}
}

func exampleRules() *link.Rules {
	return &link.Rules{
		Version: 4, Offsets: []link.Offset{{From: 0, Minutes: 480}}, Policies: link.DefaultPolicies(), TestPass: true, EscortSec: 30, RepeatMS: 3000, Issued: 1795100000000,
		Zones: []link.Zone{{ID: 0, Name: "Main", NameZH: "正門", Mode: link.Normal, Passback: link.PassbackSoft,
			Hours: []link.Hours{{Weekdays: 0x7e, Open: 420, Close: 1380}}, Holidays: []pass.Day{today + 34}}},
	}
}

func exampleCommand() *link.Command {
	return &link.Command{Lane: lane, Number: 1795233609000, Action: link.CommandOpen, Index: 1, Direction: 1, Issued: 1795233609000, Expires: 1795233639000,
		Cause: pass.CauseAssistance, Start: link.Nonce(hashOf("start"))}
}

// exampleUses are the grant and the passage of exampleEntries, end to end.
func exampleUses() []byte { return bytes.Join(encoded(exampleEntries()[2:]), nil) }

func exampleLaneState() *link.LaneState {
	return &link.LaneState{
		Lane: lane, Boot: 2, Alive: true, Epoch: 1, Seq: 12, Chain: hash("chain"), Keyset: 3, Rules: 4, Clock: link.ClockTrusted, Bound: 1,
		Journal: exampleJournal(), Last: 4, Acked: 2, Program: "0.1.0", Lanes: []link.LaneInfo{{Number: 1, Name: "North 1", Zone: 0, State: "idle"}},
		Warnings: []string{"scanner-lost"}, Sent: 1795233609100, Start: hashOf("start")[:16],
	}
}

const goldenFile = "testdata/messages.json"

// golden is one message as it goes on the wire.
type golden struct {
	Name   string `json:"name"`
	Type   uint8  `json:"type"`
	Limit  int    `json:"limit"`  // bytes
	Signer string `json:"signer"` // Ed25519 public key, hex
	Wire   string `json:"wire"`   // hex
}

// TestGolden keeps the bytes of each message type, so that a lane of today
// understands a central of next year.
func TestGolden(t *testing.T) {
	var made []golden
	for _, m := range messages(t) {
		wire := seal(t, signer(m.by), m.typ, m.payload)
		made = append(made, golden{m.name, uint8(m.typ), m.limit, hex.EncodeToString(signer(m.by).public()), hex.EncodeToString(wire)})
	}
	if len(made) != 16 {
		t.Fatalf("%d messages, want one of each of the 16 types", len(made))
	}
	b, err := json.MarshalIndent(map[string]any{"site": site, "messages": made}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(goldenFile, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b) {
		t.Fatalf("%s is not what the messages encode to; if the format changed on purpose, run go generate", goldenFile)
	}
}

// TestGoldenOpens reads the file's bytes back into the same values.
func TestGoldenOpens(t *testing.T) {
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Messages []golden }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	all := messages(t)
	if len(file.Messages) != len(all) {
		t.Fatalf("%d messages in the file, want %d", len(file.Messages), len(all))
	}
	for i, m := range all {
		g := file.Messages[i]
		got, err := m.open(unhex(t, g.Wire), m.typ, site, link.KeysOf(unhex(t, g.Signer)), g.Limit)
		if err != nil || !reflect.DeepEqual(got, m.payload) {
			t.Errorf("%s: %+v, %v; want %+v", m.name, got, err, m.payload)
		}
	}
}

// TestEveryBitCounts flips each bit of each message, and cuts and extends it.
func TestEveryBitCounts(t *testing.T) {
	all := messages(t)
	if len(all) != 16 {
		t.Fatalf("%d messages", len(all))
	}
	for _, m := range all {
		keys := link.KeysOf(signer(m.by).public())
		wire := seal(t, signer(m.by), m.typ, m.payload)
		for bit := range 8 * len(wire) {
			bad := slices.Clone(wire)
			bad[bit/8] ^= 128 >> (bit % 8)
			if _, err := m.open(bad, m.typ, site, keys, m.limit); err == nil {
				t.Errorf("%s with bit %d flipped is taken", m.name, bit)
			}
		}
		for n := range wire {
			if _, err := m.open(wire[:n], m.typ, site, keys, m.limit); err == nil {
				t.Errorf("%s cut to %d bytes is taken", m.name, n)
			}
		}
		_, err := m.open(append(slices.Clone(wire), 0), m.typ, site, keys, m.limit)
		wantError(t, m.name+" with a byte more", err, link.ErrMalformed)
	}
}

// TestOpenRefuses has what is good in itself but not here.
func TestOpenRefuses(t *testing.T) {
	all := messages(t)
	for i, m := range all {
		keys := link.KeysOf(signer(m.by).public())
		wire := seal(t, signer(m.by), m.typ, m.payload)
		if _, err := m.open(wire, m.typ, site, keys, m.limit); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		for _, c := range []struct {
			what  string
			typ   link.Type
			site  string
			keys  link.Keys
			limit int
			want  error
		}{
			{"as another type", all[(i+1)%len(all)].typ, site, keys, m.limit, link.ErrMalformed},
			{"at another site", m.typ, "campuS", keys, m.limit, link.ErrForged},
			{"at a site with a longer name", m.typ, site + "2", keys, m.limit, link.ErrForged},
			{"by nobody known", m.typ, site, nil, m.limit, link.ErrUnknown},
			{"by somebody else", m.typ, site, link.KeysOf(signer("other").public()), m.limit, link.ErrUnknown},
			{"with the key of another under its id", m.typ, site, link.Keys{signer(m.by).KeyID(): signer("other").public()}, m.limit, link.ErrForged},
			{"with a key of 31 bytes", m.typ, site, link.Keys{signer(m.by).KeyID(): signer(m.by).public()[:31]}, m.limit, link.ErrUnknown},
			{"above its bound", m.typ, site, keys, len(wire) - 1, link.ErrOversized},
		} {
			_, err := m.open(wire, c.typ, c.site, c.keys, c.limit)
			wantError(t, m.name+" "+c.what, err, c.want)
		}
	}
}

func TestSealSignerFails(t *testing.T) {
	broken := errors.New("no key")
	if _, err := link.Seal(brokenSigner{broken}, link.TypeHead, site, &link.Head{}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type brokenSigner struct{ err error }

func (b brokenSigner) KeyID() link.KeyID           { return link.KeyID{} }
func (b brokenSigner) Sign([]byte) ([]byte, error) { return nil, b.err }
