package office_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

//go:generate go test -run TestDocs -update

var update = flag.Bool("update", false, "write API.md and examples.json anew")

// request is a call that an example is made of.
type request struct {
	id, role, method, path string
	body                   any
}

// story is a day at the office that makes every call once, in an order in which
// each succeeds. A new operation needs a line here.
func story() []request {
	return []request{
		{"get-feed", "viewer", "GET", "/feed", nil},
		{"get-rules", "viewer", "GET", "/rules", nil},
		{"put-rules", "admin", "PUT", "/rules", nil},                        // the body is the answer before
		{"preview-rules", "viewer", "POST", "/rules/preview", m{"days": 7}}, // likewise
		{"list-rules-versions", "viewer", "GET", "/rules/versions?limit=1", nil},
		{"get-rules-version", "viewer", "GET", "/rules/versions/1", nil},
		{"roll-back-rules", "admin", "POST", "/rules/versions/1/restore", nil},
		{"issue-pass", "issuer", "POST", "/passes", m{"kind": "guest", "holder": "A1234567", "guest_name": "陳大文", "purpose": "Open day", "day": "2026-11-21", "zones": []int{0}, "start": "08:30", "length": "9h30m", "entries": 1}},
		{"list-passes", "viewer", "GET", "/passes?day=2026-11-21&kind=guest&limit=50", nil},
		{"get-code", "issuer", "GET", "/passes/2026-11-21/211/code", nil},
		{"mail-code", "issuer", "POST", "/passes/2026-11-21/211/mail", m{"address": "guest@example.org"}},
		{"hold-pass", "issuer", "POST", "/passes/2026-11-21/211/hold", m{"reason": "asked at the gate"}},
		{"release-pass", "issuer", "POST", "/passes/2026-11-21/211/release", m{}},
		{"revoke-pass", "issuer", "POST", "/passes/2026-11-21/211/revoke", m{"reason": "lost phone"}},
		{"get-pass", "viewer", "GET", "/passes/2026-11-21/211", nil},
		{"change-passes", "issuer", "POST", "/bulk-changes", m{"status": "held", "day": "2026-11-21", "reason": "the event is off"}},
		{"list-bulk-changes", "issuer", "GET", "/bulk-changes", nil},
		{"get-bulk-change", "issuer", "GET", "/bulk-changes/BULK1", nil},
		{"withdraw-bulk-change", "issuer", "POST", "/bulk-changes/BULK1/withdraw", m{}},
		{"get-approval-policy", "admin", "GET", "/approval-policy", nil},
		{"hand-in-application", "issuer", "POST", "/applications", m{"kind": "ecard", "holder": "A1234567", "name": "Chan Tai Man", "facts": []m{{"name": "Programme", "value": "BSc Surveying, 2011"}}, "photo": photo(), "photo_type": "image/png"}},
		{"list-applications", "approver", "GET", "/applications?state=open", nil},
		{"get-application", "approver", "GET", "/applications/1", nil},
		{"get-application-photo", "approver", "GET", "/applications/1/photo", nil},
		{"approve-application", "approver", "POST", "/applications/1/approve", m{}},
		{"get-ecard", "approver", "GET", "/ecards/A1234567", nil},
		{"withdraw-ecard", "approver", "POST", "/ecards/A1234567/withdraw", m{"reason": "Lent to somebody else."}},
		{"return-ecard", "approver", "POST", "/ecards/A1234567/return", nil},
		{"reject-application", "approver", "POST", "/applications/2/reject", m{"reason": "The photo shows somebody else."}},
		{"set-approval-policy", "admin", "PUT", "/approval-policy", m{"version": 0, "ecards": true, "guests": false}},
		{"get-ecard-rules", "viewer", "GET", "/ecard-rules", nil},
		{"set-ecard-rules", "admin", "PUT", "/ecard-rules", m{"version": 0, "rules": m{"zones": []int{0}, "from": "07:00", "until": "23:00", "live": true, "prefetch": "18:00", "guest_zones": []int{0}, "guest_once": false}, "reason": "The campus closes at night."}},
		{"list-ecard-rules-versions", "viewer", "GET", "/ecard-rules/versions?limit=1", nil},
		{"roll-back-ecard-rules", "admin", "POST", "/ecard-rules/versions/1/restore", m{"reason": "The night is open again."}},
		{"get-guest-rules", "viewer", "GET", "/guest-rules", nil},
		{"preview-guest-rules", "viewer", "POST", "/guest-rules/preview", m{"rules": guestRules(3), "days": 30}},
		{"set-guest-rules", "admin", "PUT", "/guest-rules", m{"version": 0, "rules": guestRules(3), "reason": "The gates were crowded."}},
		{"list-guest-rules-versions", "viewer", "GET", "/guest-rules/versions?limit=1", nil},
		{"roll-back-guest-rules", "admin", "POST", "/guest-rules/versions/1/restore", m{"reason": "The event is over."}},
		{"get-retention", "viewer", "GET", "/retention", nil},
		{"preview-retention", "viewer", "POST", "/retention/preview", m{"passages": 14, "passes": 31, "photos": 31}},
		{"set-retention", "admin", "PUT", "/retention", m{"version": 0, "rules": m{"passages": 14, "passes": 31, "photos": 31}, "reason": "The new policy.", "erase": true}},
		{"list-retention-versions", "viewer", "GET", "/retention/versions", nil},
		{"roll-back-retention", "admin", "POST", "/retention/versions/1/restore", m{"reason": "As it was.", "erase": true}},
		{"list-passages", "viewer", "GET", "/passages?lane=north&limit=1", nil},
		{"search-passages", "viewer", "GET", "/passages/search?day=2026-11-21&type=denied&limit=1", nil},
		{"count-passages", "viewer", "GET", "/passages/hours?day=2026-11-21", nil},
		{"count-passages-by-lane", "viewer", "GET", "/passages/lanes?day=2026-11-21", nil},
		{"export-passages", "auditor", "GET", "/passages/export?day=2026-11-21", nil},
		{"get-passage", "viewer", "GET", "/passages/3", nil},
		{"explain-passage", "viewer", "GET", "/passages/3/explain", nil},
		{"get-occupancy", "viewer", "GET", "/occupancy", nil},
		{"get-muster", "security", "GET", "/muster?zone=0", nil},
		{"list-alarms", "viewer", "GET", "/alarms?after=0", nil},
		{"list-attention", "viewer", "GET", "/attention", nil},
		{"acknowledge-alarm", "security", "POST", "/alarms/1/acknowledge", m{"count": 1, "note": "The disk was replaced."}},
		{"add-lane", "admin", "POST", "/lanes", m{"id": "east"}},
		{"list-lanes", "viewer", "GET", "/lanes?limit=1", nil},
		{"put-entrance", "admin", "PUT", "/entrances/main", m{"name": "Main gate", "name_zh": "正門", "position": 1}},
		{"list-entrances", "viewer", "GET", "/entrances", nil},
		{"put-place", "admin", "PUT", "/lanes/north/place", m{"entrance": "main", "position": 1, "name": "North", "lanes": []m{{"number": 1, "name": "North 1"}}}},
		{"list-places", "viewer", "GET", "/places", nil},
		{"open-lane", "security", "POST", "/lanes/north/open", m{"lane": 1, "direction": "in", "reason": "Delivery for the library", "cause": "visitor"}},
		{"identify-lane", "security", "POST", "/lanes/north/identify", m{"lane": 1}},
		{"list-commands", "viewer", "GET", "/commands?lane=north", nil},
		{"get-command", "viewer", "GET", "/commands/COMMAND1", nil},
		{"set-modes", "security", "POST", "/zones/mode", m{"mode": "lockdown", "reason": "Unattended bag"}},
		{"set-mode", "security", "POST", "/zones/0/mode", m{"mode": "lockdown", "reason": "Fire drill"}},
		{"issue-supervisor-codes", "admin", "POST", "/supervisor-codes", m{"controller": "north", "lane": 1, "action": "open-in", "cause": "outage", "count": 1, "days": 2, "officer": "Officer 7"}},
		{"list-supervisor-codes", "admin", "GET", "/supervisor-codes?used=no", nil},
		{"revoke-supervisor-codes", "admin", "POST", "/supervisor-codes/revoke", m{"what": "SHEET001", "reason": "lost"}},
		{"revoke-lane", "admin", "POST", "/lanes/south/revoke", m{"reason": "stolen"}},
		{"retire-lane", "admin", "POST", "/lanes/south/retire", m{"reason": "replaced by new hardware"}},
		{"list-retired-lanes", "viewer", "GET", "/retired-lanes", nil},
		{"remove-lane", "admin", "DELETE", "/lanes/east", nil},
		{"remove-entrance", "admin", "DELETE", "/entrances/spare", nil},
		{"list-keys", "viewer", "GET", "/keys", nil},
		{"withdraw-key", "admin", "POST", "/keys/1/withdraw", m{"reason": "stolen"}},
		{"add-person", "admin", "POST", "/people", m{"name": "chan", "roles": []string{"issuer", "approver"}}},
		{"list-people", "auditor", "GET", "/people", nil},
		{"set-roles", "admin", "PUT", "/people/chan/roles", m{"roles": []string{"security"}}},
		{"invite-person", "admin", "POST", "/people/chan/invite", nil},
		{"end-person", "admin", "DELETE", "/people/chan", nil},
		{"list-audit", "auditor", "GET", "/audit?limit=2", nil},
		{"verify-audit", "auditor", "POST", "/audit/verify", nil},
		{"export-audit", "auditor", "GET", "/audit/export?format=csv", nil},
		{"create-token", "admin", "POST", "/tokens", m{"name": "gate-display", "scopes": []string{"passages.read", "lanes.read"}, "lanes": []string{"north"}, "expires": "2027-02-19T00:00:00+08:00"}},
		{"list-tokens", "admin", "GET", "/tokens?limit=4", nil},
		{"rotate-token", "admin", "POST", "/tokens/gate-display/rotate", nil},
		{"revoke-token", "admin", "DELETE", "/tokens/gate-display", nil},
		{"add-webhook", "admin", "POST", "/webhooks", m{"url": "https://hooks.example.edu/turnstile", "events": []string{"revocation", "passage"}, "types": []string{"passed", "denied"}}},
		{"list-webhooks", "admin", "GET", "/webhooks", nil},
		{"test-webhook", "admin", "POST", "/webhooks/hook1/test", nil},
		{"list-deliveries", "admin", "GET", "/webhooks/hook1/deliveries", nil},
		{"enable-webhook", "admin", "POST", "/webhooks/hook1/enable", nil},
		{"remove-webhook", "admin", "DELETE", "/webhooks/hook1", nil},
		{"put-register", "admin", "POST", "/register/rows", m{"kind": "persons", "rows": []m{
			{"id": "P000001", "surname": "Chan", "given": "Tai Man", "name_zh": "陳大文", "born": "1988-04-30", "personal_id": "A123456(7)", "email": "chan@mail.example"},
			{"id": "ALUM-77", "surname": "CHAN", "given": "Tai-man", "born": "1988-04-30", "personal_id": "A1234567"}}}},
		{"begin-sync", "admin", "POST", "/register/syncs", m{"kind": "degrees", "name": "degrees.csv", "full": true}},
		{"add-sync-rows", "admin", "POST", "/register/syncs/sync1/rows", m{"rows": []m{
			{"line": 2, "values": m{"person": "P000001", "award": "BSc", "programme": "Surveying", "institution": "university", "graduated": "2011-11-01"}},
			{"line": 3, "values": m{"person": "P000001", "award": "MSc", "institution": "university", "graduated": "2013"}}}}},
		{"compare-sync", "admin", "POST", "/register/syncs/sync1/compare", nil},
		{"get-sync-rows", "auditor", "GET", "/register/syncs/sync1/rows?which=faulty", nil},
		{"confirm-sync", "admin", "POST", "/register/syncs/sync1/confirm", m{}},
		{"get-sync", "auditor", "GET", "/register/syncs/sync1", nil},
		{"discard-sync", "admin", "POST", "/register/syncs/sync2/discard", nil},
		{"list-syncs", "auditor", "GET", "/register/syncs?limit=1", nil},
		{"get-register", "issuer", "GET", "/register", nil},
		{"search-register", "issuer", "GET", "/register/persons?words=chan", nil},
		{"suggest-merges", "approver", "GET", "/register/suggestions", nil},
		{"merge-registered", "approver", "POST", "/register/merges", m{"kept": "P000001", "gone": "ALUM-77", "reason": "Two rows of one graduate."}},
		{"get-registered", "issuer", "GET", "/register/persons/ALUM-77", nil},
		{"undo-merge", "approver", "POST", "/register/merges/merge1/undo", nil},
		{"list-merges", "auditor", "GET", "/register/merges", nil},
		{"remove-registered", "admin", "DELETE", "/register/persons/ALUM-77", nil},
	}
}

// guestRules lets a host have a few guests a day, asked for by the day before.
func guestRules(perDay int) m {
	return m{"per_day": perDay, "upcoming": 20, "waiting": 2, "ahead": 14, "notice": 1, "until": "17:00"}
}

// photo is a small picture in base64.
func photo() string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 150, 200))); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// campus fills the fake with what the story is about.
func campus(t *testing.T) *desk {
	d := newDesk(t)
	now := d.clock.now()
	d.AddLane(office.Lane{ID: "north", Enrolled: now.AddDate(0, -2, 0), Expires: now.AddDate(0, 10, 0), Alive: true, Since: now.Add(-3 * time.Hour), UpToDate: true, Durable: 9, State: &link.LaneState{
		Seq: 4, Last: 12, Keyset: 1, Rules: 1, Program: "1.4.0", Boot: 3, Clock: link.ClockTrusted, Bound: 1, Warnings: []string{"scanner_lost"}, Lanes: []link.LaneInfo{{Number: 1, Name: "North 1", State: "idle"}},
	}})
	d.AddLane(office.Lane{ID: "south", Enrolled: now, Since: now.Add(-time.Hour)})
	for i, e := range []link.Entry{
		{Type: link.EntryGranted, Reason: pass.Granted, Kind: pass.Guest}, {Type: link.EntryPassed, Kind: pass.Guest, Grant: 1}, {Type: link.EntryDenied, Reason: pass.Expired, Kind: pass.Guest},
	} {
		e.Lane, e.Direction, e.Wall, e.Pass, e.Seq, e.Clock, e.Boot, e.FeedSeq = 1, 1, now.Add(time.Duration(i-3)*time.Minute).UnixMilli(), pass.ID{Day: 2516, Index: 211}, uint64(i+1), link.ClockTrusted, 3, 4
		d.AddPassage(office.Passage{Lane: "north", Received: now, Entry: e, HolderName: "A1234567", GuestName: "陳大文"})
	}
	d.AddAlarm(office.Alarm{At: now, Lane: "north", Code: "journal_gap", Detail: "3 entries are missing", Next: "look at the lane's disk"})
	return d
}

// shown is an example as it is written down; see describe.go.
type shown struct {
	ID      string          `json:"id"`
	Role    string          `json:"role"`
	Method  string          `json:"method"`
	Path    string          `json:"path"`
	Request json.RawMessage `json:"request,omitempty"`
	Status  int             `json:"status"`
	Type    string          `json:"type,omitempty"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	Text    string          `json:"text,omitempty"`
}

// random are the parts of answers that differ each time, and what stands for them.
var random = []struct {
	is *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`turnstile-enrol-1\.[A-Za-z0-9._-]+`), "turnstile-enrol-1.GQ2WCZJQGE.A-SECRET-THAT-IS-SHOWN-ONCE"},
	{regexp.MustCompile(`fake-token-\d+-`), "turnstile-api-1.MZQWWZJNORXW.A-SECRET-"},
	{regexp.MustCompile(`rotated-turnstile`), "turnstile"},
	{regexp.MustCompile(`("hash":"|"head":"|,)[0-9a-f]{64}`), "${1}9f2c1e5d0b7a4836c1d2e3f405162738495a6b7c8d9eaf0b1c2d3e4f50617283"},
}

// tell makes the story's calls and returns them with their answers, by operation.
func tell(t *testing.T) map[string]shown {
	d := campus(t)
	out := map[string]shown{}
	ids := map[string]string{} // placeholders of the story
	for _, r := range story() {
		before(t, d, r.id)
		if r.id == "put-rules" || r.id == "preview-rules" {
			var rules m
			if err := json.Unmarshal(out["get-rules"].Answer, &rules); err != nil {
				t.Fatal(err)
			}
			delete(rules, "issued")
			if r.id == "put-rules" {
				r.body = rules
			} else {
				r.body.(m)["rules"] = rules
			}
		}
		for name, id := range ids {
			r.path = strings.ReplaceAll(r.path, name, id)
		}
		d.clock.add(time.Second)
		e := record(t, d, r)
		var made struct{ ID string }
		if json.Unmarshal(e.Answer, &made); made.ID != "" {
			switch r.id {
			case "change-passes":
				ids["BULK1"] = made.ID
			case "open-lane":
				ids["COMMAND1"] = made.ID
			}
		}
		if _, twice := out[r.id]; twice {
			t.Errorf("%s is told twice", r.id)
		}
		out[r.id] = e
	}
	return out
}

// before prepares what a call of the story is about.
func before(t *testing.T, d *desk, id string) {
	t.Helper()
	make := func(role, method, path string, body any) {
		t.Helper()
		if w := d.do(t, role, method, office.Base+path, body); w.Code >= 300 {
			t.Fatalf("before %s: %s %s: %d %s", id, method, path, w.Code, w.Body)
		}
	}
	switch id {
	case "change-passes":
		for range 4 {
			make("issuer", "POST", "/passes", order())
		}
	case "reject-application":
		make("issuer", "POST", "/applications", m{"kind": "ecard", "holder": "A7654321", "name": "Wong Siu Ming", "photo": photo(), "photo_type": "image/png"})
	case "discard-sync":
		make("admin", "POST", "/register/syncs", m{"kind": "netids"})
		make("admin", "POST", "/register/syncs/sync2/rows", m{"rows": []m{{"line": 2, "values": m{"person": "P000001", "netid": "11000001d"}}}})
		make("admin", "POST", "/register/syncs/sync2/compare", nil)
	case "remove-entrance":
		make("admin", "PUT", "/entrances/spare", m{"name": "Spare"})
	case "retire-lane":
		d.AddLane(office.Lane{ID: "south", Enrolled: d.clock.now()})
	}
}

// record makes one call.
func record(t *testing.T, d *desk, r request) shown {
	t.Helper()
	w := d.do(t, r.role, r.method, office.Base+r.path, r.body)
	e := shown{ID: r.id, Role: r.role, Method: r.method, Path: office.Base + r.path, Status: w.Code, Type: w.Header().Get("Content-Type")}
	if w.Code >= 300 {
		t.Errorf("%s: %s %s answered %d %s", r.id, r.method, r.path, w.Code, w.Body)
	}
	if r.body != nil {
		e.Request = compact(t, r.body)
	}
	text := w.Body.String()
	for _, x := range random {
		text = x.is.ReplaceAllString(text, x.as)
	}
	switch {
	case text == "":
		e.Type = ""
	case e.Type == "application/json":
		e.Answer = compact(t, json.RawMessage(text))
	case strings.HasPrefix(e.Type, "image/"):
		e.Text = fmt.Sprintf("(%d bytes of a picture)", len(text))
	default:
		e.Text = text
	}
	return e
}

// compact returns v as JSON whose keys stand as v has them.
func compact(t *testing.T, v any) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// openAPI is what the tests read of the OpenAPI document.
type openAPI struct {
	OpenAPI    string
	Info       struct{ Title, Version string }
	Tags       []struct{ Name string }
	Paths      map[string]map[string]*openOperation
	Components struct {
		Schemas         map[string]map[string]any
		SecuritySchemes map[string]any
	}
}

type openOperation struct {
	OperationID, Summary, Description string
	Permission                        string `json:"x-permission"`
	Tags                              []string
	Security                          []map[string][]string
	Parameters                        []openParameter
	RequestBody                       *openContent
	Responses                         map[string]*openContent
	method, path                      string
}

type openParameter struct {
	Name, In, Description string
	Required              bool
	Schema                map[string]any
}

type openContent struct {
	Description string
	Headers     map[string]any
	Content     map[string]struct {
		Schema  map[string]any
		Example any
	}
}

func readOpenAPI(t *testing.T, d *desk) (doc openAPI, operations []*openOperation) {
	t.Helper()
	doc = ask[openAPI](t, d, "", "GET", "/openapi.json", nil, 200)
	for path, methods := range doc.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			operations = append(operations, op)
		}
	}
	order := []string{"GET", "POST", "PUT", "DELETE"}
	slices.SortFunc(operations, func(a, b *openOperation) int {
		return cmp.Or(cmp.Compare(a.Tags[0], b.Tags[0]), cmp.Compare(a.path, b.path), cmp.Compare(slices.Index(order, a.method), slices.Index(order, b.method)))
	})
	return doc, operations
}

// TestDocs: API.md and examples.json are what the program does today, and every
// operation has an example.
func TestDocs(t *testing.T) {
	d := newDesk(t)
	_, operations := readOpenAPI(t, d)
	told := tell(t)
	var list []shown
	for _, op := range operations {
		e, ok := told[op.OperationID]
		if !ok {
			t.Errorf("%s has no example: add it to story in examples_test.go", op.OperationID)
			continue
		}
		delete(told, op.OperationID)
		list = append(list, e)
	}
	for id := range told {
		t.Errorf("the story tells of %s, which there is not", id)
	}
	intro, err := os.ReadFile("testdata/intro.md")
	if err != nil || len(list) < 40 {
		t.Fatal(len(list), err)
	}
	examples, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"examples.json": append(examples, '\n'), "API.md": append(intro, manual(t, operations, list)...)}
	for name, want := range files {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v): go generate ./central/office", name, err)
		}
	}
	if w := d.do(t, "", "GET", "/api/v1/docs", nil); !*update && (w.Code != 200 || !bytes.Equal(w.Body.Bytes(), files["API.md"])) {
		t.Errorf("/api/v1/docs: %d, %d bytes", w.Code, w.Body.Len())
	}
}

// manual writes each operation for people.
func manual(t *testing.T, operations []*openOperation, list []shown) []byte {
	var b bytes.Buffer
	area := ""
	for i, op := range operations {
		if i >= len(list) || list[i].ID != op.OperationID {
			break // told above
		}
		if op.Tags[0] != area {
			area = op.Tags[0]
			fmt.Fprintf(&b, "## %s\n\n", area)
		}
		fmt.Fprintf(&b, "### %s\n\n%s. `%s %s`, needs `%s`.\n\n", op.OperationID, op.Summary, op.method, op.path, op.Permission)
		for _, p := range op.Parameters {
			if p.Name != "Idempotency-Key" {
				fmt.Fprintf(&b, "- `%s` (%s): %s\n", p.Name, p.In, cmp.Or(p.Description, "as in the example")+bounds(p.Schema))
			}
		}
		fmt.Fprintf(&b, "\nProblems: %s.\n\n", refusals(op))
		writeExample(t, &b, list[i])
	}
	return b.Bytes()
}

// bounds names the values that a parameter takes.
func bounds(schema map[string]any) string {
	var parts []string
	if list, ok := schema["enum"].([]any); ok {
		parts = append(parts, strings.Trim(fmt.Sprint(list), "[]"))
	}
	if low, ok := schema["minimum"]; ok {
		parts = append(parts, fmt.Sprint("from ", low))
	}
	if high, ok := schema["maximum"]; ok {
		parts = append(parts, fmt.Sprint("to ", high))
	}
	if v, ok := schema["default"]; ok {
		parts = append(parts, fmt.Sprint("default ", v))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

var problemName = regexp.MustCompile(`#([a-z-]+)\)`)

func refusals(op *openOperation) string {
	var statuses, parts []string
	for status := range op.Responses {
		if status >= "400" {
			statuses = append(statuses, status)
		}
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		var names []string
		for _, n := range problemName.FindAllStringSubmatch(op.Responses[status].Description, -1) {
			names = append(names, "`"+n[1]+"`")
		}
		parts = append(parts, status+" "+strings.Join(names, " "))
	}
	return strings.Join(parts, ", ")
}

func writeExample(t *testing.T, b *bytes.Buffer, e shown) {
	fmt.Fprint(b, "```sh\ncurl")
	if e.Method != http.MethodGet {
		fmt.Fprintf(b, " -X %s -H \"Idempotency-Key: $(uuidgen)\"", e.Method)
	}
	fmt.Fprintf(b, " -H \"Authorization: Bearer $TOKEN\" \"$TURNSTILE%s\"", e.Path)
	if len(e.Request) > 0 {
		fmt.Fprintf(b, " \\\n  -H 'Content-Type: application/json' -d '%s'", strings.ReplaceAll(long.ReplaceAllString(indent(t, e.Request), "$1..."), "'", `'\''`))
	}
	fmt.Fprintf(b, "\n```\n\n")
	switch {
	case len(e.Answer) > 0:
		fmt.Fprintf(b, "%d:\n\n```json\n%s\n```\n\n", e.Status, indent(t, e.Answer))
	case e.Text != "":
		fmt.Fprintf(b, "%d, `%s`:\n\n```\n%s\n```\n\n", e.Status, e.Type, strings.TrimSpace(e.Text))
	default:
		fmt.Fprintf(b, "%d, without a body.\n\n", e.Status)
	}
}

// long is a text in base64 that nobody reads.
var long = regexp.MustCompile(`([A-Za-z0-9+/]{60})[A-Za-z0-9+/=]{60,}`)

func indent(t *testing.T, text json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
