package audit_test

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to change the log behind central's back

	log "turnstile/central/audit"
	"turnstile/central/console"
	"turnstile/central/console/audit"
	"turnstile/central/console/consoletest"
	"turnstile/central/rights"
)

// TestVerify verifies a good log, and one that somebody changed by hand.
func TestVerify(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Auditor)
	b.Open("/audit")
	b.WaitText("Signed in")
	b.Axe()
	b.Shot("audit")
	b.Fill("[name=by]", "consoletest")
	b.Choose("[name=action]", "person_add")
	b.Click("search button")
	b.Wait("document.querySelectorAll('tbody tr').length === 1")
	b.Open("/audit?subject=%25%27%3Cscript%3E")
	b.WaitText("Nothing was found")
	b.Open("/audit?from=yesterday")
	b.WaitText("A day is written as")
	b.Open("/audit")
	b.Click("form[action$='/verify'] button")
	b.WaitText("entries are as they were written")
	b.WaitText("Head, to be noted elsewhere")
	b.Axe()
	b.Shot("audit-verified")

	db, err := sql.Open("sqlite", "file:"+filepath.Join(o.Config.Data, "central.db")+"?_pragma=busy_timeout(60000)") // central writes too
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `UPDATE audit SET by = 'user:somebody-else' WHERE number = 2`); err != nil {
		t.Fatal(err)
	}
	b.Open("/audit")
	b.Click("form[action$='/verify'] button")
	b.WaitText("The log was changed at entry 2")
	b.Shot("audit-changed")
	var alarms struct{ Alarms []struct{ Code string } }
	o.Call(t, "GET", "/alarms", nil, &alarms, 200)
	found := false
	for _, a := range alarms.Alarms {
		found = found || a.Code == "audit_broken"
	}
	if !found {
		t.Errorf("no alarm: %+v", alarms)
	}
}

// TestExport takes the log away, verifies the file, and finds the export in the
// next one.
func TestExport(t *testing.T) {
	o := consoletest.Start(t)
	name, value := o.Session(t, rights.Auditor)
	send := func(format string) (*http.Response, []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", o.URL+console.Base+"/audit/export", strings.NewReader(url.Values{"format": {format}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: name, Value: value})
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%s %v %.200s", answer.Status, err, data)
		}
		return answer, data
	}
	answer, data := send("ndjson")
	c, h, err := log.Check(bytes.NewReader(data), nil, nil)
	if err != nil || c.Number < 3 || h.Site != "campus" || len(h.Keys) == 0 || !strings.Contains(answer.Header.Get("Content-Disposition"), "audit-campus-") {
		t.Errorf("%+v %v %s", c, err, answer.Header)
	}
	if !strings.Contains(string(data), `"action":"audit_export"`) {
		t.Error("the export is not in the log")
	}
	if strings.Contains(string(data), value) {
		t.Error("a session's token is in the log")
	}
	if _, _, err := log.Check(bytes.NewReader(bytes.Replace(data, []byte("user:"), []byte("usex:"), 1)), nil, nil); !errors.Is(err, log.ErrBroken) {
		t.Errorf("a changed file: %v", err)
	}
	_, text := send("csv")
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 5 || rows[0][0] != "number" || rows[1][0] != "1" {
		t.Errorf("%v %v", rows, err)
	}
}

func TestWords(t *testing.T) { consoletest.CheckWords(t, audit.Files(), ".", audit.Texts, 30) }
