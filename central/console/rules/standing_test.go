package rules_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/ecard"
	"turnstile/central/guests"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// TestGuestRules lets a host have one guest a day: previewed over what was asked
// for, put into force, kept to where passes are issued, and rolled back.
func TestGuestRules(t *testing.T) {
	o := consoletest.Start(t)
	var feed office.FeedBody
	o.Call(t, "GET", "/feed", nil, &feed, http.StatusOK)
	day := feed.Days[1].Day
	for i := range 3 {
		o.Call(t, "POST", "/passes", map[string]any{"kind": "guest", "holder": "A1234567", "guest_name": fmt.Sprint("Guest ", i), "day": day}, nil, http.StatusCreated)
	}
	b := o.As(t, rights.Admin)
	b.Open("/rules")
	b.Click(`a[href="/office/rules/guests"]`)
	b.WaitText("Nobody has changed what central begins with")
	b.Axe()
	b.Fill(`input[name=per_day]`, "many")
	b.Fill(`input[name=notice]`, "31")
	b.Fill(`input[name=until]`, "25:00")
	b.Click(`main form button`)
	b.WaitText("Some fields are not right yet")
	for field, text := range map[string]string{"per_day": "0 to 10000", "notice": "0 to 30", "until": "A time such as", "reason": "Say why"} {
		hint := consoletest.Eval[string](b, fmt.Sprintf(`document.getElementById(document.querySelector('[name=%q]').getAttribute('aria-describedby')).innerText`, field))
		if !strings.Contains(hint, text) {
			t.Errorf("beside %s stands %q", field, hint)
		}
	}
	b.Axe()
	b.Shot("rules-guests-wrong")
	for field, text := range map[string]string{"per_day": "1", "notice": "0", "until": "24:00", "reason": "<b>crowded</b> \u202egates"} {
		b.Fill(fmt.Sprintf(`input[name=%s]`, field), text)
	}
	b.Click(`main form button`)
	b.WaitText("2 of 3 would have been refused; the rules in force refuse 0.")
	b.WaitText("Too many guests of one host on one day")
	b.Axe()
	b.Dark(true)
	b.Axe()
	b.Dark(false)
	b.Shot("rules-guests-preview")
	b.Click(`main form button`)
	b.WaitText("Version 1 is in force for guests")
	b.WaitText("<b>crowded</b>")
	order := map[string]any{"kind": "guest", "holder": "B7654321", "guest_name": "One", "day": day}
	o.Call(t, "POST", "/passes", order, nil, http.StatusCreated)
	o.Call(t, "POST", "/passes", order, nil, http.StatusConflict)
	o.Call(t, "PUT", "/guest-rules", office.SetBody[guests.Rules]{Version: 1, Rules: guests.Default(), Reason: "over"}, nil, http.StatusOK)
	b.Scripts(false) // what follows needs none
	b.Open("/rules/guests")
	b.Shot("rules-guests")
	b.Click(`form[action$="/versions/1"] button`)
	b.WaitText("comes back as a new version")
	o.Call(t, "PUT", "/guest-rules", office.SetBody[guests.Rules]{Version: 2, Rules: guests.Default(), Reason: "meanwhile"}, nil, http.StatusOK)
	b.Click(`main form button`)
	b.WaitText("Somebody changed these rules meanwhile")
	b.Open("/rules/guests")
	b.Click(`form[action$="/versions/1"] button`)
	b.WaitText("comes back as a new version")
	b.Click(`main form button`)
	b.WaitText("Version 4 is in force for guests")
	o.Call(t, "POST", "/passes", order, nil, http.StatusConflict)
	testException(t, o, day)
}

// testException issues a pass for which there is no room, as a person who may.
func testException(t *testing.T, o *consoletest.Office, day string) {
	for _, x := range []struct {
		roles []rights.Role
		field int
	}{{[]rights.Role{rights.Issuer}, 0}, {[]rights.Role{rights.Issuer, rights.Approver}, 1}} {
		b := o.As(t, x.roles...)
		b.Open("/passes/new")
		if n := consoletest.Eval[int](b, `document.querySelectorAll('[name=exception]').length`); n != x.field {
			t.Errorf("%v sees %d fields for an exception", x.roles, n)
		}
		if x.field == 0 {
			b.Click("button[value=zh-Hant]")
			b.WaitText("通行證")
		}
		b.Choose(`select[name=kind]`, "guest")
		b.Fill(`input[name=holder]`, "B7654321")
		b.Fill(`input[name=guest_name]`, "Two")
		b.Wait(fmt.Sprintf(`(document.querySelector('[name=day]').value = %q) !== ''`, day))
		b.Click(`form.order button`)
		if x.field == 0 {
			b.WaitText("此主人於該日已有 1 位訪客")
			b.Shot("pass-no-room-zh")
			continue
		}
		b.WaitText("This host has 1 of 1 guests")
		b.Fill(`input[name=exception]`, "The speaker's assistant")
		b.Click(`form.order button`)
		b.WaitText("is issued")
	}
}

// TestRetentionRules shows what a shorter time erases, and lets nobody do it in
// passing.
func TestRetentionRules(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Admin)
	b.Open("/rules/retention")
	b.Fill(`input[name=passages]`, "0")
	b.Click(`main form button`)
	b.WaitText("A whole number from 1 to 3650")
	b.Fill(`input[name=passages]`, "7")
	b.Fill(`input[name=reason]`, "The new policy")
	b.Click(`main form button`)
	b.WaitText("Nothing is erased by this at once.")
	b.Axe()
	b.Shot("rules-retention-preview")
	b.Wait(`(document.querySelector('main form').noValidate = true)`) // as a browser that asks nothing
	b.Click(`main form button`)
	b.WaitText("A shorter time erases for ever.")
	o.Call(t, "PUT", "/retention", office.SetBody[office.Keep]{Rules: office.Keep{Passages: 7, Passes: 31, Photos: 31}, Reason: "API"}, nil, http.StatusUnprocessableEntity)
	b.Open("/rules/retention")
	b.Fill(`input[name=passages]`, "7")
	b.Fill(`input[name=reason]`, "The new policy")
	b.Click(`main form button`)
	b.Click(`input[name=erase]`)
	b.Click(`main form button`)
	b.WaitText("Version 1 is in force")
	b.Axe()
	b.Shot("rules-retention")
	var now office.VersionBody[office.Keep]
	o.Call(t, "GET", "/retention", nil, &now, http.StatusOK)
	if now.Version != 1 || now.Rules.Passages != 7 || now.Reason != "The new policy" || now.Since.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("%+v", now)
	}
	b.Click("button[value=zh-Hant]")
	b.WaitText("資料保存期")
	b.Shot("rules-retention-zh")
	b.Open("/rules")
	b.WaitText("訪客規則")
	b.Shot("rules-all-zh")
}

// TestECards: the rules for codes are changed by a form that shows first what changes,
// and come back by their number.
func TestECards(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Admin)
	b.Open("/rules")
	b.Click(`a[href="/office/rules/ecards"]`)
	b.WaitText("Nobody has changed what central begins with")
	b.Axe()
	b.Fill("[name=from]", "07:05")
	b.Fill("[name=reason]", "The campus closes at night.")
	b.Click("form[action$='/ecards/preview'] button")
	b.WaitText("in steps of ten minutes, please")
	b.Axe()
	b.Fill("[name=from]", "07:00")
	b.Click("[name=live]")
	b.Shot("rules-ecards")
	b.Click("form[action$='/ecards/preview'] button")
	b.WaitText("07:00–24:00")
	b.Axe()
	b.Click("form[action$='/ecards'] button")
	b.WaitText("Version 1 is in force")
	var v office.VersionBody[ecard.CodeRules]
	o.Call(t, "GET", "/ecard-rules", nil, &v, http.StatusOK)
	if v.Version != 1 || v.Rules.Live || v.Rules.From != "07:00" {
		t.Errorf("%+v", v)
	}
	change := ecard.Default()
	change.GuestOnce = true
	o.Call(t, "PUT", "/ecard-rules", office.SetBody[ecard.CodeRules]{Version: 1, Rules: change, Reason: "over"}, nil, http.StatusOK)
	b.Open("/rules/ecards")
	b.Click("form[action$='/versions/1'] button")
	b.WaitText("Version 1 comes back as a new version")
	b.Click("form[action$='/ecards'] button")
	b.WaitText("Version 3 is in force")
}

// TestBadStanding sends what no browser would.
func TestBadStanding(t *testing.T) {
	o := consoletest.Start(t)
	name, value := o.Session(t, rights.Admin)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.URL+"/office"+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: name, Value: value})
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	good := map[string]url.Values{
		"/rules/guests":    {"version": {"0"}, "per_day": {"1"}, "upcoming": {"0"}, "waiting": {"0"}, "ahead": {"30"}, "notice": {"0"}, "until": {"24:00"}, "reason": {"why"}},
		"/rules/ecards":    {"version": {"0"}, "zones": {"0"}, "from": {"07:00"}, "until": {"23:00"}, "prefetch": {"18:00"}, "reason": {"why"}},
		"/rules/retention": {"version": {"0"}, "passages": {"31"}, "passes": {"31"}, "photos": {"31"}, "reason": {"why"}},
	}
	tried := 0
	for path, form := range good {
		if status := post(path+"/preview", form); status != http.StatusOK {
			t.Fatalf("%s: a good form: %d", path, status)
		}
		for field := range form {
			for what, text := range map[string]string{"nothing": "", "a word": "many", "below": "-1", "above": "99999", "huge": strings.Repeat("9", 5000), "a script": "<script>", "two lines": "a\nb", "control": "a\x1bb", "no UTF-8": "\xff"} {
				free := field == "reason" && strings.Contains("a word below above a script", what) || field == "version" && (what == "nothing" || what == "above") || field == "zones" && what == "nothing"
				if free {
					continue
				}
				bad := url.Values{}
				for k, v := range form {
					bad[k] = v
				}
				bad[field] = []string{text}
				for _, to := range []string{path, path + "/preview"} {
					if status := post(to, bad); status != http.StatusUnprocessableEntity {
						t.Errorf("%s with %s as %s: %d", to, what, field, status)
					}
					tried++
				}
			}
		}
		if status := post(path+"/versions/9", nil); status != http.StatusNotFound {
			t.Errorf("%s: a version that there is not: %d", path, status)
		}
		if status := post(path+"/versions/x", nil); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: no version: %d", path, status)
		}
		stale := url.Values{}
		for k, v := range form {
			stale[k] = v
		}
		stale.Set("version", "7")
		if status := post(path, stale); status != http.StatusConflict {
			t.Errorf("%s made from a version that there is not: %d", path, status)
		}
	}
	if status := post("/rules/ecards", url.Values{"version": {"0"}, "zones": {"9"}, "from": {"07:00"}, "until": {"23:00"}, "prefetch": {"18:00"}, "reason": {"why"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a zone that there is not: %d", status)
	}
	var g office.VersionBody[guests.Rules]
	o.Call(t, "GET", "/guest-rules", nil, &g, http.StatusOK)
	if tried < 150 || g.Version != 0 {
		t.Errorf("%d tries, version %d", tried, g.Version)
	}
}
