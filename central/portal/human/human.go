// Package human keeps programs from what sends mail or tries identities, without a
// picture to read: the browser does a small piece of work while its person types.
//
// The work is ALTCHA's: a number whose SHA-256 is given. A browser without scripts
// has a slow lane instead of a dead end: it waits ten seconds, and each network has
// few of them. What was done counts once.
package human

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/altcha-org/altcha-lib-go"

	"turnstile/central/database"
	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/seal"
	"turnstile/central/throttle"
)

// Bounds of the work.
const (
	hardness   = 50_000           // hashes at most: a second on a slow phone
	life       = 20 * time.Minute // of a piece of work
	slowWait   = 10 * time.Second // without it
	freeSlow   = 5                // of a network; each next one waits longer
	maxAnswer  = 2 << 10          // bytes
	slowKind   = "slow"           // of what is counted
	sealedSlow = "holder slow lane"
)

// Guard tells people from programs. Safe for concurrent use.
type Guard struct {
	key      string
	states   seal.States
	throttle *throttle.Throttle
	now      func() time.Time
}

// New returns a Guard. The key is of this package alone.
func New(key [32]byte, states seal.States, count throttle.Counter) *Guard {
	return &Guard{hex.EncodeToString(key[:]), states, throttle.New(count, throttle.Free{slowKind: freeSlow}, states.Now), states.Now}
}

// Challenge is what a form has to have: the template "human" shows it.
type Challenge struct {
	Task string // JSON, for the script
	Slow string // sealed, for a browser without
}

// Challenge makes the work of a form.
func (g *Guard) Challenge(*portal.Request) (any, error) {
	expires := g.now().Add(life)
	task, err := altcha.CreateChallenge(altcha.ChallengeOptions{HMACKey: g.key, MaxNumber: hardness, Expires: &expires})
	if err != nil {
		return nil, fmt.Errorf("make challenge: %w", err)
	}
	text, err := json.Marshal(task)
	if err != nil {
		return nil, fmt.Errorf("encode challenge: %w", err)
	}
	slow, err := g.states.Seal(sealedSlow, g.now().UnixMilli())
	return Challenge{string(text), slow}, err
}

// words are what a browser is refused for.
var words = portal.Words{
	"Press the button again: this form was open too long, or was sent before.": "請再按一次按鈕：此表格開啟過久，或已提交。",
	"That was quick. Wait ten seconds, then press the button again.":           "提交過快。請等候十秒，再按一次按鈕。",
	"There were too many forms from your network. Wait until %s.":              "您的網絡提交過多表格。請等候至 %s。",
}

var pages = portal.MustParse(embed.FS{}, words)

// Texts are the words, for a test.
var Texts = words

func refuse(r *portal.Request, text string, args ...any) error {
	return office.Refuse(office.ErrInvalid, "%s", r.Say(pages, text, args...))
}

// Human refuses, as an office.Refusal, a form whose work was not done.
func (g *Guard) Human(r *portal.Request) error {
	if answer := r.PostFormValue("altcha"); answer != "" {
		fresh, err := g.solved(r.Context(), answer)
		if err == nil && !fresh {
			err = refuse(r, "Press the button again: this form was open too long, or was sent before.")
		}
		return err
	}
	return g.waited(r)
}

// solved reports whether an answer is right, in time, and new.
func (g *Guard) solved(ctx context.Context, answer string) (bool, error) {
	if len(answer) > maxAnswer {
		return false, nil
	}
	text, err := base64.StdEncoding.DecodeString(answer)
	var p altcha.Payload
	if err != nil || json.Unmarshal(text, &p) != nil || p.Algorithm != string(altcha.SHA256) {
		return false, nil
	}
	// The library would ask the machine's clock for the time.
	if ok, err := altcha.VerifySolutionSafe(p, g.key, false); err != nil || !ok {
		return false, nil
	}
	expires, err := strconv.ParseInt(altcha.ExtractParams(p).Get("expires"), 10, 64)
	if err != nil || g.now().Unix() >= expires {
		return false, nil
	}
	hash := hmac.New(sha256.New, []byte(g.key))
	hash.Write([]byte(p.Signature))
	err = g.states.Spent.Spend(ctx, hash.Sum(nil), expires*1000)
	if errors.Is(err, database.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("note a challenge: %w", err)
	}
	return true, nil
}

// waited lets a browser without scripts through, slowly.
func (g *Guard) waited(r *portal.Request) error {
	var shown int64
	spend, err := g.states.Open(sealedSlow, r.PostFormValue("slow"), &shown)
	if err != nil {
		return refuse(r, "Press the button again: this form was open too long, or was sent before.")
	}
	if g.now().Sub(time.UnixMilli(shown)) < slowWait {
		return refuse(r, "That was quick. Wait ten seconds, then press the button again.")
	}
	err = g.throttle.Try(r.Context(), throttle.Network(slowKind, throttle.Address(r.Request)))
	if w, ok := errors.AsType[*throttle.Wait](err); ok {
		return refuse(r, "There were too many forms from your network. Wait until %s.", w.Until.Add(time.Second).In(r.Zone()).Format(time.TimeOnly))
	}
	if err != nil {
		return err
	}
	if err := spend(r.Context()); errors.Is(err, seal.ErrState) {
		return refuse(r, "Press the button again: this form was open too long, or was sent before.")
	} else if err != nil {
		return err
	}
	return nil
}
