package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
)

// maxCode bounds what verify reads of a code, in bytes.
const maxCode = 4 << 10

type verifyCommand struct {
	configFlag `embed:""`

	Code     string `arg:"" optional:"" help:"The code; - reads it from standard input."`
	Picture  string `placeholder:"FILE" help:"Read the code from a PNG, JPEG or GIF instead."`
	At       string `placeholder:"TIME" help:"Judge at this time, such as 2026-11-21T09:14:00+08:00; the default is now."`
	Timezone string `default:"Asia/Hong_Kong" help:"Campus clock, if central is not asked."`
	Offline  bool   `help:"Do not ask central for signature and status."`
	Ledger   bool   `help:"Check the chains of all journals in central's data folder instead of a code."`
}

func (x *verifyCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if x.Ledger {
		return x.verifyLedger(ctx, c, cl)
	}
	text, err := x.text(c)
	if err != nil {
		return err
	}
	now, err := x.time()
	if err != nil {
		return err
	}
	e := explain(text)
	if err := x.ask(ctx, c, cl, e); err != nil {
		return err
	}
	if e.zone == nil {
		if e.zone, err = time.LoadLocation(x.Timezone); err != nil {
			return fmt.Errorf("%w: --timezone: %w", errUsage, err)
		}
	}
	e.judge(now)
	if err := c.show(cl, e.report(now), func() { c.printExplanation(e, now) }); err != nil {
		return err
	}
	if e.reason != pass.Granted {
		return errRefused
	}
	return nil
}

func (x *verifyCommand) time() (time.Time, error) {
	if x.At == "" {
		return time.Now(), nil
	}
	t, err := time.Parse(time.RFC3339, x.At)
	if err != nil {
		return t, fmt.Errorf("%w: --at wants a time such as 2026-11-21T09:14:00+08:00", errUsage)
	}
	return t, nil
}

// text returns the code as a scanner would deliver it: without the line end.
func (x *verifyCommand) text(c *console) ([]byte, error) {
	switch {
	case x.Picture != "":
		data, err := c.read(x.Picture, symbol.MaxPicture)
		if err != nil {
			return nil, err
		}
		s, err := symbol.ReadPicture(data)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", x.Picture, err)
		}
		return []byte(s), nil
	case x.Code == "-":
		data, err := c.read("-", maxCode)
		return bytes.TrimRight(data, "\r\n"), err
	case x.Code == "":
		return nil, fmt.Errorf("%w: name a code, - or --picture FILE", errUsage)
	}
	return []byte(x.Code), nil
}

// ask fetches the facts that only central has. That it cannot be asked is no
// error: the explanation says what it could not check.
func (x *verifyCommand) ask(ctx context.Context, c *console, cl *cli, e *explanation) error {
	if x.Offline {
		e.unasked = "--offline"
		return nil
	}
	api, err := cl.client(c)
	if err != nil {
		e.unasked = firstLine(err)
		return nil
	}
	var feed office.FeedBody
	if err := api.call(ctx, "GET", "/feed", nil, &feed); err != nil {
		e.unasked = firstLine(err)
		return nil
	}
	e.feed = &feed
	if zone, err := time.LoadLocation(feed.Timezone); err == nil {
		e.zone = zone
	}
	if e.reason != pass.Granted {
		return nil
	}
	var p office.PassBody
	err = api.call(ctx, "GET", "/passes/"+e.code.ID().String(), nil, &p)
	if notThere := (*problem)(nil); errors.As(err, &notThere) && notThere.Status == 404 {
		return nil // central never issued it
	}
	if err != nil {
		return err
	}
	e.pass = &p
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), errUsage.Error()+": "), "\n")
	return line
}

// explanation is what can be said of a text.
type explanation struct {
	raw    []byte // the bytes that the text stands for, nil if it is no base32
	code   pass.Code
	reason pass.Reason
	why    string // the reason in words, for this text

	zone    *time.Location
	unasked string // why central was not asked
	feed    *office.FeedBody
	pass    *office.PassBody // as central has it, nil if it has none

	signature string // good, forged, or why it was not checked
	status    string
}

// explain reads the text alone.
func explain(text []byte) *explanation {
	code, reason := pass.Parse(text)
	e := &explanation{code: code, reason: reason, raw: decodeText(text)}
	if reason != pass.Granted {
		e.why = formProblem(text, &code, reason)
	}
	return e
}

// judge goes through a lane's checks in a lane's order, as far as they can be
// made here, and keeps the first that fails.
func (e *explanation) judge(now time.Time) {
	e.signature, e.status = "not checked: "+e.unasked, "not checked: "+e.unasked
	if e.reason != pass.Granted {
		e.signature, e.status = "not checked: the form is wrong", "not checked: the form is wrong"
		return
	}
	for _, check := range []func(time.Time) (pass.Reason, string){e.checkKind, e.checkKey, e.checkWindow, e.checkStatus, e.checkLive} {
		if r, why := check(now); r != pass.Granted && e.reason == pass.Granted {
			e.reason, e.why = r, why
		}
	}
}

func (e *explanation) checkKind(time.Time) (pass.Reason, string) {
	if e.code.Kind == pass.Test {
		return pass.TestPass, "a test pass; only lanes whose rules say test_passes admit it"
	}
	return pass.Granted, ""
}

// checkKey checks the signature with central's public keys.
func (e *explanation) checkKey(time.Time) (pass.Reason, string) {
	if e.feed == nil {
		return pass.Granted, ""
	}
	for _, k := range e.feed.Keys {
		if k.ID != int(e.code.KeyID) {
			continue
		}
		public, err := base64.StdEncoding.DecodeString(k.Public)
		if err != nil || len(public) != ed25519.PublicKeySize {
			break
		}
		return e.checkWith(k, public)
	}
	e.signature = "not checked: central has no such key"
	return pass.KeyUnknown, fmt.Sprintf("central publishes no key %d", e.code.KeyID)
}

func (e *explanation) checkWith(k office.PassKeyBody, public ed25519.PublicKey) (pass.Reason, string) {
	day := e.code.Day.String()
	switch {
	case !e.code.Verify(public):
		e.signature = "FORGED: not made by that key"
		return pass.Forged, "the signature is not that of the named key: some byte was changed, or it was made elsewhere"
	case !slices.Contains(k.Kinds, e.code.Kind.String()) || day < k.From || day > k.To:
		e.signature = "good, but the key is not for this"
		return pass.KeyRevoked, fmt.Sprintf("key %d signs %s from %s to %s", k.ID, strings.Join(k.Kinds, ", "), k.From, k.To)
	}
	e.signature = "good"
	return pass.Granted, ""
}

func (e *explanation) checkWindow(now time.Time) (pass.Reason, string) {
	from, until := e.code.Window()
	switch {
	case now.Unix() < from:
		return pass.TooEarly, "valid from " + e.local(from)
	case now.Unix() >= until:
		return pass.Expired, "was valid until " + e.local(until)
	}
	return pass.Granted, ""
}

func (e *explanation) checkStatus(time.Time) (pass.Reason, string) {
	switch {
	case e.feed == nil:
		return pass.Granted, ""
	case e.pass == nil:
		e.status = "central never issued it"
		return pass.Forged, "central has no such pass"
	}
	e.status = e.pass.Status
	switch {
	case e.pass.Status == "revoked":
		return pass.Revoked, strings.TrimSuffix("revoked "+maybeClock(e.pass.Changed, "")+": "+e.pass.Reason, ": ")
	case e.pass.Status == "held":
		return pass.Held, strings.TrimSuffix("held "+maybeClock(e.pass.Changed, "")+": "+e.pass.Reason, ": ")
	case int(e.code.Generation) < e.pass.Generation:
		return pass.Superseded, fmt.Sprintf("generation %d was issued in its place", e.pass.Generation)
	}
	return pass.Granted, ""
}

// liveTolerance is how many slots a lane with a trusted clock allows.
const liveTolerance = 1

// checkLive checks when the live code was made; the tag itself only lanes can
// check, because only they have the day's gate key.
func (e *explanation) checkLive(now time.Time) (pass.Reason, string) {
	if e.code.Flags&pass.LiveRequired == 0 {
		return pass.Granted, ""
	}
	if !e.code.Live {
		return pass.LiveMissing, "this pass is only valid as a live code, shown on the holder's phone"
	}
	slot := e.slot(now)
	if d := int64(slot) - int64(pass.SlotAt(now.Unix())); d > liveTolerance || d < -liveTolerance {
		return pass.LiveStale, "the live code was made for " + e.local(int64(slot)*pass.SlotSeconds) + ": a screenshot, or a wrong clock"
	}
	return pass.Granted, ""
}

// slot returns the full number of the live slot of which the code has 16 bits:
// the nearest to now. VerifyLive finds it whatever the key.
func (e *explanation) slot(now time.Time) uint32 {
	slot, _ := e.code.VerifyLive(pass.GateKey{}, pass.SlotAt(now.Unix()), 0)
	return slot
}

// local formats Unix seconds by the campus clock.
func (e *explanation) local(unix int64) string {
	return time.Unix(unix, 0).In(e.zone).Format("2006-01-02 15:04:05 MST")
}
