package link_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"turnstile/central/link"
)

const (
	exampleBegin = "<!-- example -->\n"
	exampleEnd   = "<!-- /example -->\n"
)

// lines prints names and bytes, 32 bytes a line.
type lines struct{ strings.Builder }

func (l *lines) text(name, format string, args ...any) {
	fmt.Fprintf(l, "%-15s "+format+"\n", append([]any{name}, args...)...)
}

func (l *lines) bytes(name string, b []byte) {
	for ; len(b) > 0; name = "" {
		n := min(32, len(b))
		l.text(name, "%x", b[:n])
		b = b[n:]
	}
}

// example is the worked example of TOPICS.md.
func example(t testing.TB) string {
	var l lines
	l.WriteString("The feed of epoch 1, after two events:\n\n```\n")
	feedExample(t, &l)
	l.WriteString("```\n\nA question of lane north-1 at site campus, as it goes on the wire:\n\n```\n")
	askExample(t, &l)
	l.WriteString("```\n\nTwo entries of a journal and their batch:\n\n```\n")
	journalExample(t, &l)
	l.WriteString("```\n")
	return l.String()
}

func feedExample(t testing.TB, l *lines) {
	events := []link.Event{{Type: link.OpenDay, Day: today, Value: 1024}, {Type: link.Revoke, Day: today, Value: 5}}
	start := link.NewState(1)
	one, two := apply(t, start, events[:1]), apply(t, start, events)
	l.bytes("chain(0)", start.Chain[:])
	l.bytes("event 1", events[0].Append(nil))
	l.bytes("chain(1)", one.Chain[:])
	l.bytes("event 2", events[1].Append(nil))
	l.bytes("chain(2)", two.Chain[:])
	content, err := link.Inflate(link.SnapshotOf(two, two.Day(today)).Data, 256)
	if err != nil || !bytes.Equal(content[4:], make([]byte, 252)) {
		t.Fatal(content, err)
	}
	l.text("content", "%x, then 252 times 00", content[:4])
	h, root := two.Day(today).Hash(), two.Root()
	l.bytes("list hash", h[:])
	l.bytes("state root", root[:])
}

func askExample(t testing.TB, l *lines) {
	ask := &link.Ask{Lane: lane, Want: link.WantRange, Epoch: 1, From: 7, To: 12, Sent: 1795233609100}
	wire := seal(t, signer("lane"), link.TypeAsk, ask)
	var m map[int]any
	if err := cbor.Unmarshal(wire, &m); err != nil {
		t.Fatal(err)
	}
	payload := m[3].([]byte)
	l.bytes("public key", signer("lane").public())
	l.bytes("payload", payload)
	l.bytes("signed bytes", append([]byte("turnstile/1\x00\x12\x06campus"), payload...))
	l.bytes("signature", m[4].([]byte))
	l.bytes("message", wire)
	l.text("its topic", "%s", link.Topics{Site: site}.Ask(lane))
	l.text("its log topic", "%s", link.Topics{Site: site}.Log(lane))
}

func journalExample(t testing.TB, l *lines) {
	rows := encoded(exampleEntries()[2:])
	rows[0][15], rows[1][15], rows[1][65] = 1, 2, 1 // seq 1 and 2, and the grant of the second
	id := exampleJournal()
	b := link.NewBatch(lane, id, 1, link.JournalStart(id), rows)
	packed, err := link.Inflate(b.Data, int(b.Size))
	if err != nil {
		t.Fatal(err)
	}
	first := link.JournalChain(b.Before, rows[0])
	l.bytes("journal id", id[:])
	l.bytes("chain(0)", b.Before[:])
	l.bytes("entry 1", rows[0])
	l.bytes("chain(1)", first[:])
	l.bytes("entry 2", rows[1])
	l.bytes("chain(2)", b.After[:])
	l.bytes("before DEFLATE", packed)
}

// TestWorkedExample keeps TOPICS.md's example true.
func TestWorkedExample(t *testing.T) {
	text, err := os.ReadFile("TOPICS.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(exampleBegin))
	old, after, closed := bytes.Cut(rest, []byte(exampleEnd))
	if !ok || !closed {
		t.Fatal("TOPICS.md has no place for the example")
	}
	if *update {
		all := bytes.Join([][]byte{before, []byte(exampleBegin), []byte(example(t)), []byte(exampleEnd), after}, nil)
		if err := os.WriteFile("TOPICS.md", all, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(old) != example(t) {
		t.Errorf("the example is\n%s\nwant\n%s", old, example(t))
	}
}

// TestRootByHand writes list hash and state root out as TOPICS.md has them.
func TestRootByHand(t *testing.T) {
	be := binary.BigEndian
	s := apply(t, link.NewState(1), exampleEvents())
	status := make([]byte, 256)
	status[1] = 1<<2 | 2<<4 // index 5 revoked, 6 held, 7 released
	list := be.AppendUint32(be.AppendUint16([]byte("turnstile-list/1\x00"), uint16(today)), 1024)
	list = be.AppendUint32(be.AppendUint32(list, 1), 1)
	list = append(append(list, status...), 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 2)
	hash := sha256.Sum256(list)
	if got := s.Day(today).Hash(); got != hash {
		t.Errorf("list hash %x, by hand %x", got, hash)
	}
	state := append([]byte("turnstile-state/1\x00"), 0, 0, 0, 1, 0, 1)
	state = append(be.AppendUint16(state, uint16(today)), hash[:]...)
	state = append(state, 0, 1, 0, 47)
	if got, want := s.Root(), sha256.Sum256(state); got != want {
		t.Errorf("state root %x, by hand %x", got, want)
	}
}

// TestTopicTable finds each topic of the code in the document, with its bound.
func TestTopicTable(t *testing.T) {
	text, err := os.ReadFile("TOPICS.md")
	if err != nil {
		t.Fatal(err)
	}
	topics := link.Topics{Site: "{s}"}
	rows := map[string]int{
		topics.Head(): link.MaxHead, topics.Delta(): link.MaxDelta, "tg/1/{s}/feed/day/{day}": link.MaxDocument, topics.Keys(): link.MaxDocument,
		topics.Rules(): link.MaxDocument, topics.GateKeys("{id}"): link.MaxDocument, topics.Ack("{id}"): link.MaxState, topics.Repeat("{id}"): link.MaxDocument,
		topics.State("{id}"): link.MaxState, topics.Ask("{id}"): link.MaxState, "tg/1/{s}/a/{id}/up/{p}/log": link.MaxDocument,
	}
	for topic, limit := range rows {
		_, row, ok := strings.Cut(string(text), "| `"+topic+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		if !ok || !strings.Contains(row, fmt.Sprintf("| %d KiB |", limit>>10)) {
			t.Errorf("no row for %s with %d KiB: %s", topic, limit>>10, row)
		}
	}
}

// TestPolicyTable compares FORMAT.md's default policy with the code's.
func TestPolicyTable(t *testing.T) {
	text, err := os.ReadFile("../pass/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	words := map[link.Action]string{
		link.Refuse: "refused", link.ByRules: "by the rules", link.Stamped: "stamped", link.LiveOnly: "live only",
		link.LiveOrSingle: "live or single", link.Alarmed: "alarmed",
	}
	all := link.DefaultPolicies()
	if len(all) != 4 {
		t.Fatalf("%d policies, want one for each of 4 kinds", len(all))
	}
	for _, p := range all {
		row := "| " + p.Kind.String()
		for _, a := range p.Ages {
			row += " | " + words[a]
		}
		row += map[bool]string{true: " | admitted |", false: " | refused |"}[p.Untrusted]
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("FORMAT.md has no row %s", row)
		}
	}
}

// TestGoldenIsCBOR reads the envelopes without package link, as another
// implementation would.
func TestGoldenIsCBOR(t *testing.T) {
	for _, m := range messages(t) {
		wire := seal(t, signer(m.by), m.typ, m.payload)
		var e map[int]any
		if err := cbor.Unmarshal(wire, &e); err != nil || len(e) != 5 || e[0] != uint64(1) || e[1] != uint64(m.typ) {
			t.Errorf("%s: %v, %v", m.name, e, err)
		}
		var payload map[int]any
		if err := cbor.Unmarshal(e[3].([]byte), &payload); err != nil || len(payload) == 0 {
			t.Errorf("%s: payload %s: %v", m.name, hex.EncodeToString(e[3].([]byte)), err)
		}
	}
}
