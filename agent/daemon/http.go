package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/display"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner"
)

// MaxCheck bounds what /check reads: the longest text that a scanner delivers.
const MaxCheck = scanner.MaxText

// ErrListen wraps the error of an address that cannot be listened on.
var ErrListen = errors.New("the address for the lane's pages cannot be used: stop who has it, or set another http: in the configuration")

// listen takes the address of the pages.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListen, err)
	}
	return l, nil
}

// pages answers on loopback.
type pages struct {
	board  *display.Board
	status func() Status
	check  func(text []byte, lane uint8) (CheckResult, bool)
}

// handler returns the pages. A browser that was led here by a foreign page, by
// its name for this address or by a form, is turned away.
func (p *pages) handler() http.Handler {
	mux := http.NewServeMux()
	p.board.Handle(mux)
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /status", p.getStatus)
	mux.HandleFunc("GET /metrics", p.metrics)
	mux.HandleFunc("POST /check", p.postCheck)
	return onlyHere(http.NewCrossOriginProtection().Handler(mux))
}

// onlyHere refuses requests for another host than this one (DNS rebinding).
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		ip, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "ask this computer by 127.0.0.1 or localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (p *pages) home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s := p.status()
	fmt.Fprintf(w, "turnstile agent %s, %s at %s\n\n", s.Version, s.Agent, s.Site)
	for _, l := range s.Lanes {
		fmt.Fprintf(w, "/lane/%d    the display of %s\n", l.Number, l.Name)
	}
	fmt.Fprint(w, "/status    this agent, as JSON\n/metrics   for Prometheus\n/check     POST a code: what a lane would decide (?lane=N)\n")
}

func (p *pages) getStatus(w http.ResponseWriter, _ *http.Request) { answer(w, p.status()) }

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v) // the client may have gone
}

// postCheck decides on a code without a gate and without an entry.
func (p *pages) postCheck(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxCheck))
	if err != nil {
		http.Error(w, fmt.Sprintf("a code has at most %d bytes", MaxCheck), http.StatusRequestEntityTooLarge)
		return
	}
	n := uint64(0)
	if q := r.URL.Query().Get("lane"); q != "" {
		if n, err = strconv.ParseUint(q, 10, 8); err != nil {
			http.Error(w, "lane: a number from 1 to 255", http.StatusBadRequest)
			return
		}
	}
	result, ok := p.check(text, uint8(n))
	if !ok {
		http.Error(w, "no such lane here; /status lists them", http.StatusNotFound)
		return
	}
	answer(w, result)
}

// server returns the server of the pages; its requests end with ctx.
func server(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// Explain decides on a text as a lane of the zone would, with facts that have
// no zone, direction or past yet, and says what the code contains. past looks
// the pass up; nil: nothing is remembered.
func Explain(text []byte, f access.Facts, lane, zone uint8, past func(pass.ID) access.Past, now time.Time) CheckResult {
	code, r := pass.Parse(text)
	d := access.Decision{Reason: r}
	out := CheckResult{Lane: lane, Zone: zone, At: now}
	if r == pass.Granted {
		f.Zone, f.Direction = zone, gate.In
		if past != nil {
			f.Past = past(code.ID())
		}
		d = access.Decide(&code, f, now)
		key, known := f.Keys[code.KeyID]
		out.Code = infoOf(&code, known && code.Verify(key.Public))
	}
	words := display.WordsOf(d.Reason).EN
	out.Reason, out.Granted, out.Flags = d.Reason.String(), d.Granted(), namesOf(d.Flags)
	out.What, out.Next = words.What, words.Next
	return out
}
