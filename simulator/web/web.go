// Package web is the simulator's page: lanes drawn live, and buttons that make,
// scan and revoke codes at the real programs.
package web

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"
)

//go:embed page
var page embed.FS

// Bounds of what the page may send, in bytes.
const (
	maxOrder   = 8 << 10
	maxPicture = 16 << 20
)

// Stage is what the page plays on; package stage is the real one.
// All methods are safe for concurrent use.
type Stage interface {
	// Picture returns what the page shows at this moment.
	Picture() State
	// Changed returns a channel that is closed at the next change.
	Changed() <-chan struct{}
	// Do carries out what a button asks for. Its error goes to the person.
	Do(ctx context.Context, what string, o Order) error
	// ScanPicture decodes the QR symbol in a picture and scans it at a lane.
	ScanPicture(ctx context.Context, lane string, picture []byte) error
	// Symbol returns the SVG of a pass's code at this moment.
	Symbol(ctx context.Context, pass string) ([]byte, error)
}

// State is the whole page.
type State struct {
	Up       bool      `json:"up"`      // central answers
	Central  string    `json:"central"` // in words
	Lanes    []Lane    `json:"lanes"`
	Passes   []Pass    `json:"passes"`   // oldest first
	Passages []Passage `json:"passages"` // newest first
}

// Lane is one lane as drawn.
type Lane struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	State    string `json:"state"` // idle, wait, granted, denied, dark
	Open     bool   `json:"open"`
	Walking  bool   `json:"walking"`
	Reading  bool   `json:"reading"` // the scanner has a code in front of it
	Verdict  string `json:"verdict"`
	Facts    string `json:"facts"`
	Display  string `json:"display"` // address of the lane's own display page
	Cut      bool   `json:"cut"`
	Hesitate bool   `json:"hesitate"`
}

// Pass is one pass made on the page.
type Pass struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Reach   string `json:"reach"`   // which lanes refuse it
	Picture string `json:"picture"` // changes when the symbol does
}

// Passage is one row of the ledger.
type Passage struct {
	Number int64  `json:"number"`
	Time   string `json:"time"`
	Lane   string `json:"lane"`
	What   string `json:"what"`
	Why    string `json:"why"`
	Pass   string `json:"pass"`
	Good   bool   `json:"good"`
	Bad    bool   `json:"bad"`
}

// Order is what a button sends; each button uses some of the fields.
type Order struct {
	What string `json:"what"` // issue: ecard, guest, live
	Lane string `json:"lane"`
	Pass string `json:"pass"`
	Text string `json:"text"` // scan: instead of a pass
	Verb string `json:"verb"` // set: revoke, hold, release
	On   bool   `json:"on"`   // network, hesitate
}

// New returns the page's handler. Only requests from the page itself may change
// anything.
func New(s Stage, log *slog.Logger) (http.Handler, error) {
	files, err := fs.Sub(page, "page")
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { stream(w, r, s) })
	mux.HandleFunc("POST /do/picture", func(w http.ResponseWriter, r *http.Request) { scanPicture(w, r, s) })
	mux.HandleFunc("POST /do/{what}", func(w http.ResponseWriter, r *http.Request) { do(w, r, s, log) })
	mux.HandleFunc("GET /symbol/{day}/{file}", func(w http.ResponseWriter, r *http.Request) { symbol(w, r, s) })
	return secure(onlyHere(http.NewCrossOriginProtection().Handler(mux))), nil
}

// onlyHere refuses requests for another host than this one: a foreign page whose
// name was made to point here (DNS rebinding) could press every button.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		ip := net.ParseIP(host)
		if err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "ask this computer by 127.0.0.1 or localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that keep foreign content out.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-src http://127.0.0.1:*; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// stream sends the whole state as a server-sent event at each change, at most
// twenty times a second, and a comment every 15 s so that a dead page is noticed.
func stream(w http.ResponseWriter, r *http.Request, s Stage) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for {
		changed := s.Changed() // before the picture, so that no change is missed
		if send(w, out, s.Picture()) != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-time.After(15 * time.Second):
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func send(w io.Writer, out *http.ResponseController, state State) error {
	b, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := out.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil {
		return err
	}
	return out.Flush()
}

func do(w http.ResponseWriter, r *http.Request, s Stage, log *slog.Logger) {
	var o Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o); err != nil {
		http.Error(w, "the page sent something that is no order: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.Do(r.Context(), r.PathValue("what"), o); err != nil {
		log.Info("order refused", "order", r.PathValue("what"), "error", err)
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func scanPicture(w http.ResponseWriter, r *http.Request, s Stage) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPicture))
	if err != nil {
		http.Error(w, fmt.Sprintf("the picture is larger than %d MB; send a smaller one", maxPicture>>20), http.StatusRequestEntityTooLarge)
		return
	}
	if err := s.ScanPicture(r.Context(), r.URL.Query().Get("lane"), b); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func symbol(w http.ResponseWriter, r *http.Request, s Stage) {
	name := r.PathValue("file")
	const suffix = ".svg"
	if len(name) <= len(suffix) || name[len(name)-len(suffix):] != suffix {
		http.NotFound(w, r)
		return
	}
	b, err := s.Symbol(r.Context(), r.PathValue("day")+"/"+name[:len(name)-len(suffix)])
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Write(b)
}
