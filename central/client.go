package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"turnstile/central/office"
)

// Bounds of what the client reads, in bytes.
const (
	maxAnswer    = 16 << 20
	maxTokenFile = 4 << 10
)

// defaultURL is where central listens unless it is told otherwise.
const defaultURL = "http://127.0.0.1:8080"

// client calls central's API.
type client struct {
	base  string
	token string
	http  http.Client
}

// client returns a client for the address and the token that the command line,
// the environment and the data folder name.
func (cl *cli) client(c *console) (*client, error) {
	base := cl.URL
	if base == "" {
		base = cl.announced()
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: --url %q is no address such as %s", errUsage, base, defaultURL)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%w: --url %s: the token would cross the network unencrypted; use https, or a tunnel to a loopback address", errUsage, base)
	}
	token, err := cl.token(c)
	if err != nil {
		return nil, err
	}
	return &client{strings.TrimRight(base, "/") + office.Base, token, http.Client{
		Timeout: 30 * time.Second,
		// A redirect would take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// announced returns the address that a running central wrote into its data folder.
func (cl *cli) announced() string {
	data, err := os.ReadFile(filepath.Join(cl.dataFolder(), endpointsFile))
	var e struct {
		HTTP string `json:"http"`
	}
	if err != nil || json.Unmarshal(data, &e) != nil || e.HTTP == "" {
		return defaultURL
	}
	return e.HTTP
}

func (cl *cli) dataFolder() string {
	if cl.Data == "" {
		return "central-data"
	}
	return cl.Data
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// token returns the API token. It is never an argument: those are for all to see.
func (cl *cli) token(c *console) (string, error) {
	if cl.TokenFile == "" {
		if t := c.env("TURNSTILE_TOKEN"); t != "" {
			return strings.TrimSpace(t), nil
		}
		return "", fmt.Errorf("%w: no API token; set TURNSTILE_TOKEN or --token-file. On central's machine, make one with: central token create NAME --role issuer", errUsage)
	}
	f, err := os.Open(cl.TokenFile)
	if err != nil {
		return "", fmt.Errorf("%w: open token file: %w", errUsage, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return "", fmt.Errorf("%w: read token file: %w", errUsage, err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%w: %s does not hold one token on one line", errUsage, cl.TokenFile)
	}
	return token, nil
}

// problem is an answer of the API that is not a success.
type problem struct{ office.Problem }

// Error returns the problem's detail and one line for each fault.
func (p *problem) Error() string {
	lines := []string{p.Detail}
	for _, e := range p.Errors {
		lines = append(lines, "  "+strings.TrimPrefix(e.Location, "body.")+": "+e.Message)
	}
	return strings.Join(lines, "\n")
}

// call sends in as JSON (nil: no body) and decodes the answer into out (nil: none).
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
	}
	data, _, err := c.send(ctx, method, path, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s is not central's API, or another version of it: %w", c.base, err)
	}
	return nil
}

// everything collects the pages of a list. path may have a query.
func everything[T any](ctx context.Context, c *client, path string, page func(*T) (next string)) error {
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	for cursor := ""; ; {
		var list T
		at := path
		if cursor != "" {
			at += join + "cursor=" + url.QueryEscape(cursor)
		}
		if err := c.call(ctx, "GET", at, nil, &list); err != nil {
			return err
		}
		next := page(&list)
		if next == "" || next == cursor {
			return nil
		}
		cursor = next
	}
}

// Bounds of trying again.
const (
	maxTries  = 5
	firstWait = 250 * time.Millisecond
	maxWait   = 10 * time.Second
)

// send returns the body and the headers of a successful answer. What may succeed
// a little later it sends again; a request that changes something has an
// idempotency key, so that it is not done twice.
func (c *client) send(ctx context.Context, method, path string, body []byte) ([]byte, http.Header, error) {
	key := ""
	if method != http.MethodGet {
		key = rand.Text()
	}
	for try := 1; ; try++ {
		data, header, err := c.try(ctx, method, path, key, body)
		wait, again := pause(err, header, try)
		if err == nil || !again || try == maxTries {
			return data, header, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, nil, err
		}
	}
}

// pause reports whether a failure may pass, and how long to wait before that.
func pause(err error, header http.Header, try int) (time.Duration, bool) {
	wait := firstWait << (try - 1)
	if p := (*problem)(nil); errors.As(err, &p) {
		passes := p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable || strings.HasSuffix(p.Type, "#request-running")
		if s, err := strconv.Atoi(header.Get("Retry-After")); err == nil {
			wait = time.Duration(s) * time.Second
		}
		return wait, passes && wait <= maxWait
	}
	var broken *brokenError
	return wait, errors.As(err, &broken)
}

// brokenError is a connection that broke after it was made: nobody knows whether
// the request was done.
type brokenError struct{ cause error }

func (e *brokenError) Error() string {
	return fmt.Sprintf("the connection broke, and it is not known whether central did it: %v; look, or do it again", e.cause)
}

func (e *brokenError) Unwrap() error { return e.cause }

// try sends a request once. The headers are those of an answer, also of a problem.
func (c *client) try(ctx context.Context, method, path, key string, body []byte) ([]byte, http.Header, error) {
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, &brokenError{err}
	}
	if resp.StatusCode >= 300 {
		return nil, resp.Header, problemOf(resp.StatusCode, c.base, data)
	}
	return data, resp.Header, nil
}

func problemOf(status int, base string, data []byte) error {
	var p problem
	if json.Unmarshal(data, &p.Problem) != nil || p.Detail == "" {
		return fmt.Errorf("%s answered %d and no explanation: is it central?", base, status)
	}
	return &p
}

// unreachable says what to do when nobody answers.
func (c *client) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("nobody answers at %s: %w; start central with: central serve, or name its address with --url", strings.TrimSuffix(c.base, office.Base), op.Err)
	}
	return &brokenError{err}
}
