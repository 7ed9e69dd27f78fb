package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Bounds of one delivery.
const (
	sendLimit = 10 * time.Second
	maxAnswer = 4 << 10 // bytes that are read of an answer; none of them is kept
	maxHeader = 16 << 10
)

// newClient returns the client for all deliveries. It asks no proxy, which would
// call where the guard does not let us, and follows no redirect.
func newClient(g Guard, t *tls.Config) *http.Client {
	dialer := &net.Dialer{Timeout: sendLimit, Control: g.control}
	if t == nil {
		t = &tls.Config{}
	}
	t = t.Clone()
	t.MinVersion = tls.VersionTLS12
	return &http.Client{
		Timeout: sendLimit,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: t, TLSHandshakeTimeout: sendLimit, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxHeader, DisableCompression: true, MaxIdleConnsPerHost: 1, MaxConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// outcome is how a delivery came out.
type outcome struct {
	status  int           // of HTTP, 0 without an answer
	problem string        // "" if it was taken
	took    time.Duration //
	later   time.Duration // as the receiver asks to be left alone
	gone    bool          // the receiver wants nothing more
}

// send delivers a body once. An error of it is the outcome's problem, in words
// that name no more of the receiver than its host.
func (d *Dispatcher) send(ctx context.Context, url, secret, id string, body []byte) (o outcome) {
	begun := time.Now()
	defer func() { o.took = time.Since(begun) }()
	if err := d.config.Guard.CheckURL(url); err != nil {
		return outcome{problem: err.Error()}
	}
	key, err := secretKey(secret)
	if err != nil {
		return outcome{problem: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return outcome{problem: ErrURL.Error()}
	}
	now := d.config.Now().Unix()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Turnstile-Webhooks")
	req.Header[HeaderID] = []string{id} // in the convention's lower case
	req.Header[HeaderTimestamp] = []string{strconv.FormatInt(now, 10)}
	req.Header[HeaderSignature] = []string{sign(key, id, now, body)}
	resp, err := d.client.Do(req)
	if err != nil {
		return outcome{problem: failure(err)}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	return judge(resp)
}

// failure says what went wrong without an answer.
func failure(err error) string {
	var timeout interface{ Timeout() bool }
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrAddress):
		return "The name leads to an address that webhooks do not go to; an operator can name it in webhooks.allow."
	case errors.As(err, &name):
		return "The name does not resolve."
	case errors.As(err, &cert):
		return "The certificate is not trusted; an operator can name its authority in webhooks.ca."
	case errors.Is(err, context.Canceled):
		return "Central stopped meanwhile."
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("No answer within %s.", sendLimit)
	}
	return "The connection failed."
}

// judge reads an answer: 2xx is success, all else is not.
func judge(resp *http.Response) outcome {
	o := outcome{status: resp.StatusCode, gone: resp.StatusCode == http.StatusGone}
	switch {
	case resp.StatusCode/100 == 2:
		return o
	case resp.StatusCode/100 == 3:
		o.problem = "The receiver redirects, which is not followed; register its new URL."
	case o.gone:
		o.problem = "The receiver wants no more deliveries (410)."
	default:
		o.problem = fmt.Sprintf("The receiver answered %d.", resp.StatusCode)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		o.later = min(time.Duration(s)*time.Second, maxBackoff)
	}
	return o
}
