package office

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/requestlog"
)

// Requests keeps the Idempotency-Keys of requests, over all centrals that share
// a database.
type Requests interface {
	// Begin takes a key. With k.Claim in the answer it is this attempt's; else the
	// answer is what an earlier attempt left. ErrKeysFull beyond terms.Limit.
	Begin(ctx context.Context, k RequestKey, terms RequestTerms) (Request, error)
	// Note returns a context in which the transaction that makes something notes
	// its id with the key: both stand, or none.
	Note(ctx context.Context, k RequestKey) context.Context
	// End writes down how an attempt came out that still has its key and noted
	// nothing.
	End(ctx context.Context, k RequestKey, state RequestState, answer []byte) error
}

// ErrKeysFull is what Begin refuses.
var ErrKeysFull = errors.New("too many idempotency keys")

// RequestKey is the Idempotency-Key of one attempt at a request.
type RequestKey struct {
	Token   string    // id of the API token
	Key     link.Hash // of the key's text
	Request link.Hash // of what was asked
	Claim   string    // of this attempt alone
}

// RequestTerms say how keys are taken.
type RequestTerms struct {
	Now    time.Time
	Forget time.Time // keys begun before are gone
	Stale  time.Time // a key that is running since before is taken over by the same request; zero: never
	Limit  int       // keys that a token can have at a time
}

// RequestState is how far a request has come.
type RequestState int64

// The states.
const (
	RequestRunning  RequestState = 0  // nothing is noted
	RequestMade     RequestState = 1  // done: it made Made
	RequestAnswered RequestState = 2  // done: Answer
	RequestUnknown  RequestState = 3  // it failed in the middle
	RequestFree     RequestState = -1 // given to End: nothing was done, the key can be used again
)

// Request is what is kept of a request.
type Request struct {
	RequestKey
	State  RequestState
	Begun  time.Time
	Made   string
	Answer []byte // sealed; empty if it was too long
}

// Bounds of idempotency keys.
const (
	keyHeader    = "Idempotency-Key"
	maxKeyText   = 64
	keysKept     = 24 * time.Hour
	maxKeys      = 20_000    // of one token at a time
	maxKept      = 256 << 10 // bytes of an answer that is kept
	requestLimit = 60 * time.Second
	staleAfter   = requestLimit + 5*time.Second // by then an attempt has ended, however it did
)

// repeatKey marks an operation that may be done again without harm: repeating it
// leaves things as they are.
const repeatKey = "repeatable"

// repeatable marks an operation whose repetition does no harm, so that an attempt
// that broke off is simply done again. Every PUT and DELETE is one.
func repeatable(op huma.Operation) huma.Operation {
	op.Metadata[repeatKey] = true
	return op
}

func isRepeatable(op *huma.Operation) bool {
	marked, _ := op.Metadata[repeatKey].(bool)
	return marked || op.Method == http.MethodPut || op.Method == http.MethodDelete
}

// once does a request that has an Idempotency-Key at most once.
//
// The key is taken before the request is done, and its answer is written down
// after it was done and before it is sent. What a crash in between leaves
// depends on the operation: one that makes something with a note of its key, in
// one transaction, is answered anew from what it made (issue-pass); one that is
// repeatable is done again; of any other nobody knows, and the caller is told so.
// A refused request changed nothing and gives its key back. The work goes on when
// the caller hangs up: the next attempt finds the answer.
func (a *api) once(ctx huma.Context, next func(huma.Context)) {
	text, n := "", 0
	ctx.EachHeader(func(name, value string) {
		if name == keyHeader {
			text, n = value, n+1
		}
	})
	if n == 0 || ctx.Method() == http.MethodGet || a.Requests == nil {
		next(ctx)
		return
	}
	if n > 1 || !validKey(text) {
		a.refuse(ctx, problemMalformed, "An Idempotency-Key is one header of 1 to 64 visible ASCII characters, such as a UUID.")
		return
	}
	body, ok := a.readBody(ctx)
	if !ok {
		return
	}
	c := callOf(ctx.Context())
	k := RequestKey{Token: c.token.ID, Key: sha256.Sum256([]byte(text)), Request: requestHash(ctx, body), Claim: rand.Text()}
	op := ctx.Operation()
	terms := RequestTerms{Now: a.now(), Forget: a.now().Add(-keysKept), Limit: maxKeys}
	if a.again[op.OperationID] != nil || isRepeatable(op) {
		terms.Stale = a.now().Add(-staleAfter)
	}
	row, err := a.Requests.Begin(ctx.Context(), k, terms)
	switch {
	case errors.Is(err, ErrKeysFull):
		ctx.SetHeader("Retry-After", "60")
		a.refuse(ctx, problemKeys, fmt.Sprintf("This token has used %d idempotency keys in the last 24 hours; use the call for many at once, or send the request without a key.", maxKeys))
	case err != nil:
		a.log.Error("take idempotency key", "by", c.token.Name, "cause", err)
		a.refuse(ctx, problemAway, "Central could not take the idempotency key; nothing was done. Try again in a few seconds.")
	case row.Claim != k.Claim:
		a.repeat(ctx, row, k, text)
	default:
		a.attempt(ctx, k, text, body, next)
	}
}

func validKey(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= maxKeyText
}

// readBody reads the body within the operation's bound.
func (a *api) readBody(ctx huma.Context) ([]byte, bool) {
	limit := ctx.Operation().MaxBodyBytes
	var body bytes.Buffer
	n, err := io.Copy(&body, io.LimitReader(ctx.BodyReader(), limit))
	switch {
	case n >= limit:
		a.refuse(ctx, problemTooLarge, fmt.Sprintf("The body of this call has at most %d bytes.", limit))
	case err != nil:
		a.refuse(ctx, problemTimeout, "The body did not arrive; send the request again.")
	default:
		return body.Bytes(), true
	}
	return nil, false
}

// requestHash is what two attempts at one request have in common.
func requestHash(ctx huma.Context, body []byte) link.Hash {
	u := ctx.URL()
	h := sha256.New()
	for _, part := range []string{ctx.Method(), u.EscapedPath(), u.RawQuery, ctx.Header("Content-Type")} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	h.Write(body)
	return link.Hash(h.Sum(nil))
}

// attempt does a request whose key is taken, and writes its outcome down.
func (a *api) attempt(ctx huma.Context, k RequestKey, text string, body []byte, next func(huma.Context)) {
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), requestLimit)
	defer cancel()
	op := ctx.Operation()
	notes := a.again[op.OperationID] != nil
	if notes {
		work = a.Requests.Note(work, k)
	}
	r := &recorder{humaContext: ctx, work: work, body: bytes.NewReader(body), status: http.StatusOK}
	next(r)
	state, sealed := RequestUnknown, []byte(nil)
	switch {
	case r.status < 300:
		state, sealed = RequestAnswered, sealAnswer(callOf(work).secret, text, k, r.answer())
	case r.status < 500 || notes || isRepeatable(op):
		state = RequestFree // what was noted with the key stays
	}
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(work), 5*time.Second)
	defer cancelEnd()
	if err := a.Requests.End(end, k, state, sealed); err != nil {
		a.log.Error("write down the answer of an idempotency key", "operation", op.OperationID, "cause", err)
	}
	r.send(ctx, "")
}

// repeat answers a request whose key an earlier attempt has.
func (a *api) repeat(ctx huma.Context, row Request, k RequestKey, text string) {
	op := ctx.Operation().OperationID
	switch {
	case row.Request != k.Request:
		a.refuse(ctx, problemReused, "This Idempotency-Key was used for another request in the last 24 hours; make a new one for each request.")
	case row.State == RequestMade && a.again[op] != nil:
		a.answerAgain(ctx, row)
	case row.State == RequestAnswered:
		r, err := openAnswer(callOf(ctx.Context()).secret, text, k, row.Answer)
		if err != nil {
			a.refuse(ctx, problemGone, "This request was done; its answer is not kept. Read what it made.")
			return
		}
		(&recorder{humaContext: ctx, status: r.Status, header: r.Header, out: *bytes.NewBuffer(r.Body)}).send(ctx, "true")
	case row.State == RequestRunning && a.now().Sub(row.Begun) < staleAfter:
		ctx.SetHeader("Retry-After", "2")
		a.refuse(ctx, problemRunning, "A request with this Idempotency-Key is being worked on; send the same one again in 2 s for its answer.")
	default:
		a.refuse(ctx, problemUnsure, "An earlier attempt with this Idempotency-Key broke off; it may have been done or not. Look before you send it again with another key.")
	}
}

// answerAgain answers with what an earlier attempt made, as it is now.
func (a *api) answerAgain(ctx huma.Context, row Request) {
	body, err := a.again[ctx.Operation().OperationID](ctx.Context(), row.Made)
	if err != nil {
		p, ok := errors.AsType[*Problem](a.problem(ctx.Context(), err))
		if !ok {
			p = problemInternal.say("Central could not read what this request made; its log has the cause.")
		}
		p.RequestID = requestlog.ID(ctx.Context())
		ctx.SetHeader("Content-Type", p.ContentType(""))
		ctx.SetStatus(p.Status)
		writeJSON(ctx.BodyWriter(), p)
		return
	}
	ctx.SetHeader("Content-Type", "application/json")
	ctx.SetHeader("Idempotency-Replayed", "true")
	ctx.SetStatus(ctx.Operation().DefaultStatus)
	writeJSON(ctx.BodyWriter(), body)
}

// recorder keeps an answer back until it is written down.
type recorder struct {
	humaContext
	work   context.Context
	body   io.Reader
	status int
	header []headerLine
	out    bytes.Buffer
}

// humaContext is embedded under another name than that of its method Context.
type humaContext huma.Context

type headerLine struct {
	Name, Value string
	Add         bool
}

// Unwrap returns the context that is recorded.
func (r *recorder) Unwrap() huma.Context     { return r.humaContext }
func (r *recorder) Context() context.Context { return r.work }
func (r *recorder) BodyReader() io.Reader    { return r.body }
func (r *recorder) SetStatus(code int)       { r.status = code }
func (r *recorder) Status() int              { return r.status }
func (r *recorder) BodyWriter() io.Writer    { return &r.out }
func (r *recorder) SetHeader(name, value string) {
	r.header = append(r.header, headerLine{name, value, false})
}
func (r *recorder) AppendHeader(name, value string) {
	r.header = append(r.header, headerLine{name, value, true})
}

// keptAnswer is an answer as it is kept.
type keptAnswer struct {
	Status int
	Header []headerLine
	Body   []byte
}

func (r *recorder) answer() keptAnswer { return keptAnswer{r.status, r.header, r.out.Bytes()} }

// send sends the recorded answer; replayed says that it is one from before.
func (r *recorder) send(to huma.Context, replayed string) {
	for _, h := range r.header {
		if h.Add {
			to.AppendHeader(h.Name, h.Value)
		} else {
			to.SetHeader(h.Name, h.Value)
		}
	}
	if replayed != "" {
		to.SetHeader("Idempotency-Replayed", replayed)
	}
	to.SetStatus(r.status)
	to.BodyWriter().Write(r.out.Bytes())
}

// answerCipher returns the cipher of an answer. Its key comes from the token's
// secret and the key's text, of which central keeps hashes alone: answers hold
// codes, secrets and names, and whoever has the database cannot read them.
func answerCipher(secret, text string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), []byte(text), "turnstile idempotency answer", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealAnswer returns nil for an answer that is too long to keep.
func sealAnswer(secret, text string, k RequestKey, answer keptAnswer) []byte {
	plain, err := json.Marshal(answer)
	if err != nil || len(plain) > maxKept {
		return nil
	}
	c, err := answerCipher(secret, text)
	if err != nil {
		return nil
	}
	return c.Seal(nil, nil, plain, k.Request[:])
}

func openAnswer(secret, text string, k RequestKey, sealed []byte) (answer keptAnswer, err error) {
	c, err := answerCipher(secret, text)
	if err != nil {
		return answer, fmt.Errorf("open kept answer: %w", err)
	}
	plain, err := c.Open(nil, nil, sealed, k.Request[:])
	if err != nil {
		return answer, fmt.Errorf("open kept answer: %w", err)
	}
	return answer, json.Unmarshal(plain, &answer)
}
