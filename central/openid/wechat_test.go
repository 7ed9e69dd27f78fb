package openid

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// weChat is a stand-in that behaves as WeChat's documents say: status 200 whatever
// happens, and JSON that is called text/plain.
func weChat(t *testing.T, union bool) (server *httptest.Server, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	say := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(text))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sns/oauth2/access_token", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		*asked = append(*asked, r.URL.Path)
		switch {
		case q.Get("appid") != clientID || q.Get("grant_type") != "authorization_code":
			say(w, `{"errcode":40013,"errmsg":"invalid appid"}`)
		case q.Get("secret") != secret:
			say(w, `{"errcode":40125,"errmsg":"invalid appsecret"}`)
		case q.Get("code") == "garbage":
			say(w, `<xml>`)
		case q.Get("code") != "good":
			say(w, `{"errcode":40029,"errmsg":"invalid code"}`)
		case union:
			say(w, `{"access_token":"TOKEN-1","expires_in":7200,"refresh_token":"R","openid":"o-1","scope":"snsapi_login","unionid":"u-1"}`)
		default:
			say(w, `{"access_token":"TOKEN-1","expires_in":7200,"refresh_token":"R","openid":"o-1","scope":"snsapi_login"}`)
		}
	})
	mux.HandleFunc("GET /sns/userinfo", func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		if r.URL.Query().Get("access_token") != "TOKEN-1" || r.URL.Query().Get("openid") != "o-1" {
			say(w, `{"errcode":40003,"errmsg":"invalid openid"}`)
			return
		}
		say(w, `{"openid":"o-1","nickname":"x","unionid":"u-1"}`)
	})
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, asked
}

func TestWeChat(t *testing.T) {
	for _, union := range []bool{true, false} {
		server, asked := weChat(t, union)
		d := newDesk(t, Provider{Kind: WeChat, Issuer: server.URL}, secret)
		to := d.leave("Mozilla/5.0")
		if !strings.HasPrefix(to.String(), server.URL+"/connect/qrconnect?appid="+clientID+"&redirect_uri="+url.QueryEscape(redirect)+"&response_type=code&scope=snsapi_login&state=") || to.Fragment != "wechat_redirect" {
			t.Errorf("goes to %s", to)
		}
		a, err := d.back("GET", url.Values{"code": {"good"}, "state": {to.Query().Get("state")}})
		if err != nil || a.Subject != "u-1" || a.Issuer != server.URL || a.Next != "/card" {
			t.Errorf("%+v %v\n%s", a, err, d.log.String())
		}
		if want := map[bool]int{true: 1, false: 2}[union]; len(*asked) != want {
			t.Errorf("asked %v", *asked)
		}
		if _, err := d.back("GET", url.Values{"code": {"good"}, "state": {to.Query().Get("state")}}); err == nil {
			t.Error("twice")
		}
	}
	server, _ := weChat(t, true)
	d := newDesk(t, Provider{Kind: WeChat, Issuer: server.URL}, secret)
	if to := d.leave("Mozilla/5.0 MicroMessenger/8.0"); !strings.Contains(to.String(), "/connect/oauth2/authorize?") || !strings.Contains(to.String(), "scope=snsapi_userinfo") {
		t.Errorf("in its own browser: %s", to)
	}
}

// TestWeChatNobody: an app that has no unionid yet makes nobody, whatever else WeChat
// says of the person; nor does one that is too long to be any.
func TestWeChatNobody(t *testing.T) {
	for name, answer := range map[string]string{
		"an address":  `{"access_token":"T","openid":"o-1","email":"chan@example.org","email_verified":true,"nickname":"chan"}`,
		"a null":      `{"access_token":"T","openid":"o-1","unionid":null}`,
		"an empty":    `{"access_token":"T","openid":"o-1","unionid":""}`,
		"a long one":  `{"access_token":"T","openid":"o-1","unionid":"` + strings.Repeat("u", 129) + `"}`,
		"as a number": `{"access_token":"T","openid":"o-1","unionid":7}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Write([]byte(answer))
		}))
		t.Cleanup(server.Close)
		d := newDesk(t, Provider{Kind: WeChat, Issuer: server.URL}, secret)
		to := d.leave("")
		if a, err := d.back("GET", url.Values{"code": {"good"}, "state": {to.Query().Get("state")}}); !errors.Is(err, ErrProvider) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
}

// TestWeChatRefuses: a refusal comes with status 200, and neither the secret nor a
// token of a request that failed stands in the log.
func TestWeChatRefuses(t *testing.T) {
	server, _ := weChat(t, true)
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, c := range map[string]struct{ issuer, secret, code string }{
		"another code": {server.URL, secret, "bad"}, "another secret": {server.URL, "WRONG-SECRET", "good"}, "no JSON": {server.URL, secret, "garbage"}, "nobody there": {gone.URL, secret, "good"},
	} {
		d := newDesk(t, Provider{Kind: WeChat, Issuer: c.issuer}, c.secret)
		to := d.leave("")
		if _, err := d.back("GET", url.Values{"code": {c.code}, "state": {to.Query().Get("state")}}); !errors.Is(err, ErrProvider) {
			t.Errorf("%s: %v", name, err)
		}
		if log := d.log.String(); strings.Contains(log, c.secret) || strings.Contains(log, "TOKEN-1") || !strings.Contains(log, "refused") {
			t.Errorf("%s: log %s", name, log)
		}
	}
}

// FuzzWeChat reads whatever as WeChat's answer.
func FuzzWeChat(f *testing.F) {
	f.Add(200, []byte(`{"errcode":40029,"errmsg":"invalid code"}`))
	f.Add(200, []byte(`{"access_token":"x","unionid":"u"}`))
	f.Add(500, []byte(`[]`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		a, err := readWeChat(status, text)
		if err == nil && (status != 200 || a.Code != 0) {
			t.Errorf("%d %q is good", status, text)
		}
	})
}
