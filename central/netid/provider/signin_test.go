package provider

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"turnstile/central/netid"
)

// TestSignIn: a real client gets who signed in, once by the password and then by
// the session; scopes limit what it learns.
func TestSignIn(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	got := b.verified(token)
	if got.Sub != "tmchan" || got.Person != "p-1" || got.Name != "Tai Man CHAN" || got.Username != "tmchan" || got.Email != "a@example.org" || !got.Verified ||
		got.Nonce != "nonce-1" || !slices.Equal(got.AMR, []string{"pwd"}) || time.Since(time.Unix(got.AuthTime, 0)).Abs() > time.Minute {
		t.Errorf("%+v", got)
	}
	if token.RefreshToken != "" {
		t.Error("a refresh token")
	}
	info, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	var told claims
	if err != nil || info.Subject != "tmchan" || info.Claims(&told) != nil || told.Person != "p-1" {
		t.Errorf("%+v %+v, %v", info, told, err)
	}
	b.oauth.Scopes = []string{"openid"}
	p := b.get(b.leave())
	if p.to == nil {
		t.Fatalf("asked again: %s", p.text)
	}
	if token, err = b.exchange(p.to.Query().Get("code")); err != nil {
		t.Fatal(err)
	}
	if got := b.verified(token); got.Sub != "tmchan" || got.Person != "p-1" || got.Name != "" || got.Email != "" {
		t.Errorf("without scopes: %+v", got)
	}
	for _, text := range []string{good, secret, token.AccessToken, "a@example.org"} {
		if strings.Contains(c.log.String(), text) {
			t.Errorf("the log has %q", text)
		}
	}
}

// TestAskedAgain: prompt and max_age are kept, and a session ends.
func TestAskedAgain(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	if p := b.get(b.leave(param("prompt", "none"))); p.to == nil || p.to.Query().Get("error") != "login_required" {
		t.Errorf("nobody is here: %d %v", p.status, p.to)
	}
	long := strings.Repeat("s", 2000)
	if p := b.fill(b.get(b.leave(param("state", long))), typing("tmchan", good)); p.to == nil || p.to.Query().Get("state") != long {
		t.Errorf("a long state: %d %v", p.status, p.to)
	}
	if p := b.get(b.leave(param("prompt", "none"))); p.to == nil || p.to.Query().Get("code") == "" {
		t.Errorf("somebody is: %d %v", p.status, p.to)
	}
	if p := b.get(b.leave(param("prompt", "login"))); p.to != nil {
		t.Errorf("prompt=login goes to %v", p.to)
	}
	if p := b.get(b.leave(param("max_age", "600"))); p.to == nil {
		t.Error("asked within ten minutes")
	}
	c.skew.Add((11 * time.Minute).Milliseconds())
	if p := b.get(b.leave(param("max_age", "600"))); p.to != nil {
		t.Errorf("not asked after eleven: %v", p.to)
	}
	if p := b.get(b.leave()); p.to == nil {
		t.Error("asked within the session")
	}
	c.skew.Add(sessionLife.Milliseconds())
	if p := b.get(b.leave()); p.to != nil {
		t.Errorf("the session does not end: %v", p.to)
	}
}

// TestForm: the wrong password says no more, is slowed, and the form is bound to
// its browser and seals what it carries.
func TestForm(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	first := b.get(b.leave())
	if first.status != http.StatusOK || !strings.Contains(first.text, "<strong><bdi>Library</bdi></strong>") || strings.Contains(first.text, "nonce-1") || strings.Contains(first.text, "library.example") {
		t.Errorf("%d %s", first.status, first.text)
	}
	if csp := first.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.HasSuffix(csp, "frame-ancestors 'none'") || !strings.Contains(first.header.Get("Cache-Control"), "no-store") {
		t.Errorf("%v", first.header)
	}
	if framed := policy([]string{"http://localhost:1", "http://localhost:2"}); !strings.HasSuffix(framed, "frame-ancestors http://localhost:1 http://localhost:2") {
		t.Errorf("framed: %s", framed)
	}
	var answers []string
	for _, who := range []string{"tmchan", "nobody", "<script>", strings.Repeat("x", 5000)} {
		p := b.fill(b.get(b.leave()), typing(who, "guess"))
		if p.status != http.StatusUnprocessableEntity || strings.Contains(p.text, "<script>") {
			t.Errorf("%.20s: %d", who, p.status)
		}
		words := regexp.MustCompile(`(?s)<p class="problem".*?</p>`).FindString(p.text)
		answers = append(answers, words)
	}
	if slices.Sort(answers); len(slices.Compact(answers)) != 1 || answers[0] == "" {
		t.Errorf("answers differ: %q", answers)
	}
	stranger := c.browser(t)
	if p := stranger.fill(first, typing("tmchan", good)); p.status != http.StatusBadRequest || p.to != nil {
		t.Errorf("another browser's form: %d %v", p.status, p.to)
	}
	page := b.get(b.leave())
	changed := page
	changed.text = strings.Replace(page.text, `action="/openid/authorize/`, `action="/openid/authorize/A`, 1)
	if p := b.fill(changed, typing("tmchan", good)); p.status != http.StatusBadRequest || p.to != nil {
		t.Errorf("a changed form: %d %v", p.status, p.to)
	}
	slowed := shown{}
	for range 10 {
		if slowed = b.fill(b.get(b.leave()), typing("tmchan", "guess")); slowed.status == http.StatusTooManyRequests {
			break
		}
	}
	if slowed.status != http.StatusTooManyRequests || slowed.header.Get("Retry-After") == "" {
		t.Errorf("never slowed: %d", slowed.status)
	}
	r, err := http.NewRequest(http.MethodPost, c.url+formAction.FindStringSubmatch(page.text)[1], strings.NewReader(typing("tmchan", good).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p := b.read(b.http.Do(r)); p.status != http.StatusForbidden {
		t.Errorf("from another site: %d", p.status)
	}
	zh := b.get(b.leave(param("ui_locales", "zh-HK")))
	if !strings.Contains(zh.text, `<html lang="zh-Hant">`) || !strings.Contains(zh.text, "以 NetID 登入") {
		t.Errorf("%s", zh.text)
	}
	if p := b.get(c.url + Path + "/authorize?" + strings.Repeat("x", maxQuery+1)); p.status != http.StatusRequestURITooLong {
		t.Errorf("a long request: %d", p.status)
	}
}

// TestPasswordEndsAll: after a change of the NetPassword neither session, code nor
// token is good.
func TestPasswordEndsAll(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	code := b.code()
	d := c.serving.Load().config.Directory.(*netid.Directory)
	if err := d.ChangePassword(t.Context(), "tmchan", good, "nine yellow houses", net.ParseIP("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.exchange(code); err == nil {
		t.Error("the code is good")
	}
	if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the token is good")
	}
	if p := b.get(b.leave()); p.to != nil {
		t.Error("the session is good")
	}
}

// TestSignOut: a client's own request signs out at once, anybody's link asks first,
// and nobody is sent anywhere else.
func TestSignOut(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	out := c.url + Path + "/logout"
	here := func() bool { return b.get(b.leave()).to != nil }
	asked := b.get(out)
	if asked.status != http.StatusOK || !strings.Contains(asked.text, "tmchan") || !here() {
		t.Errorf("a link signs out: %d", asked.status)
	}
	if p := b.get(out + "?client_id=library&post_logout_redirect_uri=" + url.QueryEscape("https://evil.example/")); p.to != nil || p.status != http.StatusBadRequest {
		t.Errorf("sent to %v", p.to)
	}
	if p := b.fill(asked, url.Values{"out": {"tmchan"}}); p.status != http.StatusOK || here() {
		t.Errorf("the button: %d, still here %v", p.status, here())
	}
	b.code()
	hint, _ := token.Extra("id_token").(string)
	p := b.get(out + "?state=s&id_token_hint=" + hint + "&post_logout_redirect_uri=" + url.QueryEscape("https://library.example/"))
	if p.to == nil || p.to.String() != "https://library.example/?state=s" || here() {
		t.Errorf("the client's: %d %v %s", p.status, p.to, p.text)
	}
}
