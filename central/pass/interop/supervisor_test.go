package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"
)

// ordered is a vector of supervisor.json.
type ordered struct {
	Name       string            `json:"name"`
	Text       string            `json:"text"`
	Now        int64             `json:"now"`
	Controller string            `json:"controller"`
	Lane       byte              `json:"lane"`
	Expect     map[string]string `json:"expect"`
	Fields     map[string]any    `json:"fields"`
}

var actions = []string{"", "open-in", "open-out", "lockdown", "free-passage", "normal"}

var causes = []string{"", "outage", "code", "assistance", "visitor", "rescue", "incident", "evacuation", "maintenance", "event", "drill"}

// readOrder is "Supervisor codes": its bytes and what is refused of them.
func readOrder(text string) ([]byte, map[string]any, string) {
	b, f, reason := read(text)
	if f.Kind != 4 {
		if reason == "GRANTED" {
			reason = "KIND_UNKNOWN"
		}
		return nil, nil, reason
	}
	if reason != "KIND_UNKNOWN" {
		return nil, nil, reason
	}
	b, _ = unbase32(text)
	switch {
	case len(b) != 88:
		return nil, nil, "MALFORMED"
	case b[1] != 0, b[13] != 0, b[15] != 0, b[12] < 1, b[12] > 5, b[14] < 1, b[14] > 10:
		return nil, nil, "FLAGS_UNKNOWN"
	case f.Start < -840, f.Start > 2220, b[11] < 1, b[11] > 168, f.Start*60+int(b[11])*3600 > 8*86400:
		return nil, nil, "MALFORMED"
	}
	return b, map[string]any{
		"key_id": f.KeyID, "day": f.Day, "index": f.Index, "start": f.Start, "hours": int(b[11]), "action": actions[b[12]],
		"cause": causes[b[14]], "lane": hex.EncodeToString(b[16:24]), "from": f.From, "until": f.From + int64(b[11])*3600,
	}, "GRANTED"
}

func judgeOrder(t *testing.T, site string, keys map[string]string, v *ordered) (map[string]string, map[string]any) {
	b, fields, reason := readOrder(v.Text)
	out := map[string]string{"parse": reason}
	if reason != "GRANTED" {
		return out, fields
	}
	key, known := keys[strconv.Itoa(number(b[2:4]))]
	switch {
	case !known:
		out["verify"] = "KEY_UNKNOWN"
		return out, fields
	case !verify(decodeHex(t, key), append([]byte("campus-supervisor/1\x00"), b[:24]...), b[24:88]):
		out["verify"] = "FORGED"
		return out, fields
	}
	out["verify"], out["lane"] = "GRANTED", "GRANTED"
	ref := sha256.Sum256([]byte("campus-lane/1\x00" + site + "\x00" + v.Controller + "\x00" + string([]byte{v.Lane})))
	if string(ref[:8]) != string(b[16:24]) {
		out["lane"] = "WRONG_LANE"
		return out, fields
	}
	out["window"] = "GRANTED"
	if v.Now < fields["from"].(int64) {
		out["window"] = "TOO_EARLY"
	} else if v.Now >= fields["until"].(int64) {
		out["window"] = "EXPIRED"
	}
	return out, fields
}

func TestSupervisorVectors(t *testing.T) {
	data, err := os.ReadFile("../testdata/supervisor.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Site    string
		Keys    map[string]string
		Vectors []ordered
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Vectors) < 55 {
		t.Fatalf("%d vectors, want at least 55", len(doc.Vectors))
	}
	for _, v := range doc.Vectors {
		got, fields := judgeOrder(t, doc.Site, doc.Keys, &v)
		if asJSON(t, got) != asJSON(t, v.Expect) {
			t.Errorf("%s: %v, want %v", v.Name, got, v.Expect)
		}
		if v.Fields != nil && asJSON(t, fields) != asJSON(t, v.Fields) {
			t.Errorf("%s: %s, want %s", v.Name, asJSON(t, fields), asJSON(t, v.Fields))
		}
	}
}
