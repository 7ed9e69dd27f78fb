package site

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"turnstile/central/office"
)

// maxAnswer bounds what is read of one answer of central, in bytes.
const maxAnswer = 8 << 20

// API calls central's JSON API.
type API struct {
	URL   string // http://127.0.0.1:8080
	Token string
	http  http.Client
}

// newAPI returns a client whose calls end after ten seconds.
func newAPI(url, token string) *API {
	return &API{URL: url, Token: token, http: http.Client{Timeout: 10 * time.Second}}
}

// Problem is an answer other than success (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

// Words are what is wrong, with each fault of the request.
func (p *Problem) Words() string {
	words := p.Detail
	for _, e := range p.Errors {
		words += "; " + e.Location + ": " + e.Message
	}
	return words
}

// Error returns the problem in one line.
func (p *Problem) Error() string {
	return fmt.Sprintf("central: %d %s: %s", p.Status, p.Title, p.Words())
}

// Issue makes a pass.
func (a *API) Issue(ctx context.Context, o office.OrderBody) (p office.PassBody, err error) {
	err = a.Do(ctx, "POST", "/passes", o, &p)
	return p, err
}

// Find returns a pass with the lane controllers that refuse it.
func (a *API) Find(ctx context.Context, id string) (p office.PassBody, err error) {
	err = a.Do(ctx, "GET", "/passes/"+id, nil, &p)
	return p, err
}

// Code returns the text of a pass as it stands at this moment.
func (a *API) Code(ctx context.Context, id string) (string, error) {
	b, err := a.raw(ctx, "GET", "/passes/"+id+"/code?format=text", nil)
	return string(bytes.TrimSpace(b)), err
}

// Picture returns the QR symbol of a pass as svg or png.
func (a *API) Picture(ctx context.Context, id, format string) ([]byte, error) {
	return a.raw(ctx, "GET", "/passes/"+id+"/code?format="+format, nil)
}

// Set revokes, holds or releases a pass.
func (a *API) Set(ctx context.Context, id, verb, reason string) (p office.PassBody, err error) {
	err = a.Do(ctx, "POST", "/passes/"+id+"/"+verb, map[string]string{"reason": reason}, &p)
	return p, err
}

// Passages returns up to 1000 rows of the ledger after a number.
func (a *API) Passages(ctx context.Context, after int64) ([]office.PassageBody, error) {
	var list office.PassageList
	err := a.Do(ctx, "GET", fmt.Sprintf("/passages?limit=1000&after=%d", after), nil, &list)
	return list.Passages, err
}

// Lanes returns the lane controllers as central knows them.
func (a *API) Lanes(ctx context.Context) ([]office.LaneBody, error) {
	var all []office.LaneBody
	for cursor := ""; ; {
		var page office.LaneList
		if err := a.Do(ctx, "GET", "/lanes?limit=1000&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		all, cursor = append(all, page.Lanes...), page.Next
		if cursor == "" {
			return all, nil
		}
	}
}

// Do sends body as JSON and decodes the answer into result.
func (a *API) Do(ctx context.Context, method, path string, body, result any) error {
	b, err := a.raw(ctx, method, path, body)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(b, result); err != nil {
		return fmt.Errorf("decode answer to %s %s: %w", method, path, err)
	}
	return nil
}

func (a *API) raw(ctx context.Context, method, path string, body any) ([]byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+"/api/v1"+path, in)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	req.Header.Set("Content-Type", "application/json")
	return a.send(req)
}

func (a *API) send(req *http.Request) ([]byte, error) {
	res, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call central: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read central's answer: %w", err)
	}
	if res.StatusCode >= 300 {
		p := &Problem{Status: res.StatusCode}
		if json.Unmarshal(b, p) != nil {
			p.Detail = string(b[:min(len(b), 200)])
		}
		return nil, p
	}
	return b, nil
}
