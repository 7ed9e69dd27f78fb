package passages_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// explain asks a real central about a row.
func (c *campus) explain(t *testing.T, number int) (e office.ExplanationBody) {
	t.Helper()
	c.Call(t, "GET", fmt.Sprintf("/passages/%d/explain", number), nil, &e, 200)
	return e
}

// TestExplainFromTheLedger: what a lane knew comes from its own journal and from
// the rules of that version, what became known later from the feed.
func TestExplainFromTheLedger(t *testing.T) {
	c := newCampus(t, "Grace Hopper", "")
	var revoked office.PassBody
	c.Call(t, "POST", "/passes/"+c.passes[0].ID+"/revoke", map[string]string{"reason": "lost"}, &revoked, 200)
	var feed office.FeedBody
	c.Call(t, "GET", "/feed", nil, &feed, 200)
	at := time.Now().Add(time.Second)

	// 2, 3: let in by a lane that had not heard for an hour.
	grant := c.entry(t, link.EntryGranted, 0, at)
	grant.FeedSeq, grant.FeedAge = 0, 3600
	passed := grant
	passed.Type, passed.Grant = link.EntryPassed, 2
	// 4: refused by the same lane once it knew.
	refused := c.entry(t, link.EntryDenied, 0, at.Add(time.Minute))
	refused.Reason, refused.FeedSeq = pass.Revoked, feed.Seq
	// 5, 6: locked by hand, and a refusal for that.
	locked := link.Entry{Type: link.EntryMode, Lane: 1, Wall: at.Add(2 * time.Minute).UnixMilli(), Kind: pass.Supervisor, Pass: pass.ID{Day: 2516, Index: 5}, Detail: uint16(link.Lockdown), Clock: link.ClockTrusted}
	shut := c.entry(t, link.EntryDenied, 1, at.Add(3*time.Minute))
	shut.Reason = pass.Lockdown
	c.record(t, 0, grant, passed, refused, locked, shut)
	// 7: by a lane of which central has no record of what it knew.
	deaf := c.entry(t, link.EntryDenied, 1, at)
	deaf.Reason, deaf.FeedAge, deaf.Clock = pass.NoFeed, 1<<32-1, link.ClockUntrusted
	c.record(t, 1, deaf)
	// 8, 9: another lane let the same pass in, and the first noticed.
	other := c.entry(t, link.EntryGranted, 1, at.Add(4*time.Minute))
	c.record(t, 2, other)
	conflict := other
	conflict.Type, conflict.Flags = link.EntryConflict, link.FlagAlarm
	c.record(t, 0, conflict)

	// 10: opened because of a command that central never sent.
	ghost := link.Command{Lane: "north-1", Number: 77}
	opened := ghost.EntryOf()
	opened.Type, opened.Lane, opened.Direction, opened.Wall, opened.Clock = link.EntryGranted, 1, 1, at.UnixMilli(), link.ClockTrusted
	c.record(t, 0, opened)
	if e := c.explain(t, 10); e.Passage.Kind != "command" || e.Passage.Pass != "" || e.Pass != nil || len(e.Scans) != 0 {
		t.Errorf("a command: %+v", e)
	}

	if e := c.explain(t, 2); e.Result == nil || e.Result.Number != 3 || e.Knew.Behind == 0 || e.Told != "good" || e.Pass.Status != "revoked" || len(e.History) != 1 || e.History[0].Known ||
		!strings.HasPrefix(e.Knew.Policy, "feed younger than a day: let in live codes") || e.Knew.Epoch == nil || e.Knew.Rules != 1 {
		t.Errorf("a late lane: %+v, knew %+v, history %+v", e, e.Knew, e.History)
	}
	if e := c.explain(t, 3); e.Grant == nil || e.Grant.Number != 2 {
		t.Errorf("a result: %+v", e.Grant)
	}
	if e := c.explain(t, 4); e.What != "Revoked" || e.Told != "revoked" || len(e.History) != 1 || !e.History[0].Known || e.Knew.Behind != 0 || len(e.Scans) != 3 {
		t.Errorf("a refusal: %+v, history %+v, %d scans", e, e.History, len(e.Scans))
	}
	if e := c.explain(t, 6); e.What != "Lockdown" || e.Knew.Mode != "lockdown" || !e.Knew.ByHand || e.Knew.Open == nil || !*e.Knew.Open {
		t.Errorf("locked by hand: %+v", e.Knew)
	}
	if e := c.explain(t, 7); e.Knew.Epoch != nil || e.Knew.Heard != nil || e.Knew.Doubt != nil || e.Knew.Mode != "" {
		t.Errorf("a deaf lane: %+v", e.Knew)
	}
	if e := c.explain(t, 9); len(e.Others) != 1 || e.Others[0].Number != 8 {
		t.Errorf("a conflict: %+v", e.Others)
	}
}

// TestThousandsOfRows: pages and files hold every row once, whatever the clocks
// of the lanes say.
func TestThousandsOfRows(t *testing.T) {
	c := newCampus(t, guests...)
	c.day(t, 3000)
	var number struct{ Passages []office.PassageBody }
	c.Call(t, "GET", "/passages?limit=1&after=5000", nil, &number, 200)
	seen, last, cursor := map[int64]bool{}, time.Time{}, ""
	for pages := 0; pages < 100; pages++ {
		var page office.FoundList
		path := "/passages/search?limit=100&type=passed,denied,not_passed,unknown,tailgated"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		c.Call(t, "GET", path, nil, &page, 200)
		for _, p := range page.Passages {
			if seen[p.Number] || !last.IsZero() && p.Time.After(last) {
				t.Fatalf("row %d at %s comes behind %s, or twice", p.Number, p.Time, last)
			}
			seen[p.Number], last = true, p.Time
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(seen) != 3000 || cursor != "" {
		t.Errorf("%d rows on all pages, want 3000", len(seen))
	}
	text := c.download(t, "/passages/export?format=ndjson&type=passed,denied,not_passed,unknown,tailgated")
	rows := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, row := range rows {
		var p office.PassageBody
		if err := json.Unmarshal([]byte(row), &p); err != nil || !seen[p.Number] {
			t.Fatalf("%v in %.100s", err, row)
		}
		delete(seen, p.Number)
	}
	if len(rows) != 3000 || len(seen) != 0 {
		t.Errorf("%d rows in the file, %d lack", len(rows), len(seen))
	}
	c.Call(t, "GET", "/muster", nil, nil, 200)
	deeds := map[string]int{}
	list, err := c.db.AuditPage(t.Context(), database.AuditFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		deeds[e.Action+" "+e.By]++
	}
	if deeds["export_passages reader"] != 1 || deeds["list_inside consoletest"] != 1 {
		t.Errorf("the audit has %v", deeds)
	}
}

// download returns a file of the API whole.
func (c *campus) download(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+office.Base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var token struct{ Secret string }
	c.Call(t, "POST", "/tokens", map[string]string{"name": "reader", "role": "auditor"}, &token, 201)
	r.Header.Set("Authorization", "Bearer "+token.Secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %d %v %.200s", path, answer.StatusCode, err, data)
	}
	return string(data)
}
