package provider

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"turnstile/central/database"
)

// TestAttacks: what does not fit is refused, and nobody is sent anywhere that was
// not registered.
func TestAttacks(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	for name, o := range map[string]oauth2.AuthCodeOption{
		"another redirect": param("redirect_uri", "https://evil.example/"), "a longer redirect": param("redirect_uri", back+"/x"), "no such client": param("client_id", "nobody"),
		"another client's redirect": param("client_id", "other"),
		"another scheme's spelling": param("redirect_uri", "HTTPS"+strings.TrimPrefix(back, "https")), "an empty fragment": param("redirect_uri", back+"#"), "an empty query": param("redirect_uri", back+"?"),
		"none": param("redirect_uri", ""), "no spelling of a path": param("redirect_uri", "https://library.example/x/../back"),
	} {
		if p := b.get(b.leave(o)); p.status != http.StatusBadRequest || p.to != nil {
			t.Errorf("%s: %d to %v", name, p.status, p.to)
		}
	}
	for _, twice := range []string{"redirect_uri=" + url.QueryEscape(back), "client_id=library", "state=x", "code_challenge=x"} {
		if p := b.get(b.leave() + "&" + twice); p.status != http.StatusBadRequest || p.to != nil {
			t.Errorf("%s twice: %d to %v", twice, p.status, p.to)
		}
	}
	for name, o := range map[string]oauth2.AuthCodeOption{
		"a state that no form can carry": param("state", strings.Repeat("<", 1200)), "no challenge": param("code_challenge", ""), "plain": param("code_challenge_method", "plain"), "implicit": param("response_type", "id_token"), "no openid": param("scope", "profile"),
	} {
		p := b.get(b.leave(o))
		if p.to == nil && p.status == http.StatusOK || p.to != nil && (p.to.Query().Get("code") != "" || p.to.Query().Get("error") == "" && !strings.Contains(p.to.Fragment, "error=")) {
			t.Errorf("%s: %d %v", name, p.status, p.to)
		}
	}

	code := b.code()
	right := b.verifier
	b.verifier = oauth2.GenerateVerifier()
	if _, err := b.exchange(code); err == nil {
		t.Error("with another verifier")
	}
	b.verifier = right
	if _, err := b.exchange(code); err == nil {
		t.Error("a code that a wrong verifier has burned")
	}

	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	code = b.code()
	if token, err = b.exchange(code); err != nil {
		t.Fatal(err)
	}
	if _, err := b.exchange(code); err == nil {
		t.Error("a code twice")
	}
	if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the token of a code that came twice is good")
	}

	code = b.code()
	thief := *b
	thief.oauth.ClientID, thief.oauth.ClientSecret, thief.oauth.Endpoint.AuthStyle = "other", "other-"+secret, oauth2.AuthStyleInParams
	if _, err := thief.exchange(code); err == nil {
		t.Error("another client's code")
	}
	wrong := *b
	wrong.oauth.ClientSecret = "wrong"
	if _, err := wrong.exchange(b.code()); err == nil {
		t.Error("without the secret")
	}
	code = b.code()
	c.skew.Add(codeLife.Milliseconds())
	if _, err := b.exchange(code); err == nil {
		t.Error("a code of a minute ago")
	}
	if _, err := b.exchange("x"); err == nil {
		t.Error("no code")
	}
}

// TestOneExchange: of many that come with one code at once, over two centrals, at
// most one gets a token, and it is good for nothing: the code came again.
func TestOneExchange(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	code := b.code()
	second, err := Open(t.Context(), func() Config {
		conf := c.config
		conf.Directory = c.serving.Load().config.Directory
		return conf
	}())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var won, refused atomic.Int32
	var tokens sync.Map
	for i := range 8 {
		all.Go(func() {
			p := second
			if i%2 == 0 {
				p = c.serving.Load()
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "code_verifier": {b.verifier}}
			r := httptest.NewRequest(http.MethodPost, Path+"/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("library", secret)
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			var answer struct {
				Token string `json:"access_token"`
				Error string `json:"error"`
			}
			switch err := json.Unmarshal(w.Body.Bytes(), &answer); {
			case err == nil && w.Code == http.StatusOK && answer.Token != "":
				won.Add(1)
				tokens.Store(answer.Token, true)
			case err == nil && w.Code == http.StatusBadRequest && answer.Error == "invalid_grant":
				refused.Add(1)
			default:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	if won.Load() > 1 || won.Load()+refused.Load() != 8 {
		t.Errorf("%d got a token, %d were refused", won.Load(), refused.Load())
	}
	tokens.Range(func(token, _ any) bool {
		if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token.(string), TokenType: "Bearer"})); err == nil {
			t.Error("the token of a code that came eight times is good")
		}
		return true
	})
}

// TestRestart: what one central began another one ends, and keys are the same.
func TestRestart(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	again := func() {
		db, err := database.Open(t.Context(), c.where)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c.open(db)
	}
	form := b.get(b.leave())
	again()
	p := b.fill(form, typing("tmchan", good))
	if p.to == nil {
		t.Fatalf("%d %s", p.status, p.text)
	}
	again()
	token, err := b.exchange(p.to.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	again()
	if got := b.verified(token); got.Sub != "tmchan" {
		t.Errorf("%+v", got)
	}
	if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err != nil {
		t.Error(err)
	}
	if p := b.get(b.leave()); p.to == nil {
		t.Error("the session is forgotten")
	}
}
