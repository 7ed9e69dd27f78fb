package openid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// WeChat speaks OAuth 2 in its own way: its own names of parameters, no PKCE and
// no nonce, status 200 for a refusal, and JSON that is called text/plain, which
// golang.org/x/oauth2 reads as a form. A person is known by the unionid, which is
// the same for all apps of one owner; no address comes with it.

const (
	weChatIssuer = "https://api.weixin.qq.com"
	weChatPages  = "https://open.weixin.qq.com" // where people are sent to
	maxWeChat    = 64 << 10                     // bytes of an answer
)

// weChatURL is the page with a symbol to scan, or in WeChat's own browser the one
// that asks at once.
func (c *Client) weChatURL(r *http.Request, p *Provider, t trip) string {
	page, scope := "/connect/qrconnect", "snsapi_login"
	if strings.Contains(r.UserAgent(), "MicroMessenger") {
		page, scope = "/connect/oauth2/authorize", "snsapi_userinfo"
	}
	host := weChatPages
	if p.Issuer != weChatIssuer { // a stand-in has all on one host
		host = p.Issuer
	}
	// The order of the parameters is the documented one: WeChat's browser compares.
	return host + page + "?appid=" + url.QueryEscape(p.Client) + "&redirect_uri=" + url.QueryEscape(c.config.Redirect(p.ID)) +
		"&response_type=code&scope=" + scope + "&state=" + url.QueryEscape(t.State) + "#wechat_redirect"
}

// weChatAnswer is of any of its answers.
type weChatAnswer struct {
	Code    int    `json:"errcode"`
	Message string `json:"errmsg"`
	Token   string `json:"access_token"`
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid"`
}

// finishWeChat turns the code into who somebody is. An app that WeChat does not
// give a unionid for is not set up whole: its openid would make another person of
// the same one in the next app.
func (c *Client) finishWeChat(r *http.Request, p *Provider, t trip) (Arrival, error) {
	secret, err := c.secret(p)
	if err != nil {
		return Arrival{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*limit)
	defer cancel()
	a, err := c.askWeChat(ctx, p, "/sns/oauth2/access_token", url.Values{
		"appid": {p.Client}, "secret": {secret}, "code": {r.FormValue("code")}, "grant_type": {"authorization_code"}})
	if err == nil && a.UnionID == "" {
		a, err = c.askWeChat(ctx, p, "/sns/userinfo", url.Values{"access_token": {a.Token}, "openid": {a.OpenID}})
	}
	if err != nil {
		return c.refuse(p, "code", err)
	}
	if a.UnionID == "" || len(a.UnionID) > 128 {
		return c.refuse(p, "no unionid: bind the app to an account of the WeChat Open Platform", nil)
	}
	return Arrival{Journey: t.Journey, Issuer: p.Issuer, Subject: a.UnionID}, nil
}

// errWeChat is a refusal that came with status 200.
var errWeChat = errors.New("wechat refused")

func (c *Client) askWeChat(ctx context.Context, p *Provider, path string, q url.Values) (a weChatAnswer, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+path+"?"+q.Encode(), nil)
	if err != nil {
		return a, errors.New("make request") // the cause has the secret in its URL
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL, which has the secret
		}
		return a, fmt.Errorf("ask wechat: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxWeChat))
	if err != nil {
		return a, fmt.Errorf("read answer: %w", err)
	}
	return readWeChat(answer.StatusCode, text)
}

// readWeChat reads an answer, whatever it calls itself.
func readWeChat(status int, text []byte) (a weChatAnswer, err error) {
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("read answer of status %d: %w", status, err)
	}
	if status != http.StatusOK || a.Code != 0 {
		return a, fmt.Errorf("%w: status %d, errcode %d %.80q", errWeChat, status, a.Code, a.Message)
	}
	return a, nil
}
