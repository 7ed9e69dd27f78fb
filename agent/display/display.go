// Package display shows a lane to the person in front of it: one page for a kiosk browser, in English and Traditional Chinese.
//
// The page is static and takes what it shows as server-sent events. It carries
// words and a signal, never a reason, a pass or a person: those stand in the log.
package display

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"

	"turnstile/agent/lane"
	"turnstile/firmware-bridge/gate"
)

const (
	// MaxViewers bounds the pages that are open at the same time, of all lanes.
	MaxViewers = 32
	heartbeat  = 10 * time.Second // the page calls the lane lost after three of them
	writeLimit = 5 * time.Second  // for one event
)

// View is what the page shows.
type View struct {
	Lane    uint8  `json:"lane"`
	Name    string `json:"name"`
	Signal  string `json:"signal"`  // idle, wait, granted, denied, again, guard, closed, out
	Waiting bool   `json:"waiting"` // the next person's scan waits
	Words   Words  `json:"words"`
	ByHand  Words  `json:"by_hand"` // the mode that a supervisor code set, and since when; empty if none did
}

// ViewOf returns what the page shows of a lane's status.
func ViewOf(s lane.Status) View {
	return View{
		Lane: s.Number, Name: s.Name, Signal: signalName(s.Answer.Signal), Waiting: s.Waiting,
		Words:  answerWords(s.Answer),
		ByHand: handWords(s.ByHand),
	}
}

func signalName(s gate.Signal) string {
	if s == gate.OutOfOrder {
		return "out"
	}
	return s.String()
}

// Board keeps the newest view of each lane and wakes the pages that show it.
type Board struct {
	mu      sync.Mutex // guards the following
	lanes   map[uint8]View
	viewers map[*viewer]struct{}
}

// viewer is one open page. wake has room for one: a slow page skips to the newest.
type viewer struct {
	lane uint8
	wake chan struct{}
}

// NewBoard returns a board without lanes.
func NewBoard() *Board {
	return &Board{lanes: map[uint8]View{}, viewers: map[*viewer]struct{}{}}
}

// Set shows v on its lane's pages. It never blocks.
func (b *Board) Set(v View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.lanes[v.Lane]; ok && old == v {
		return
	}
	b.lanes[v.Lane] = v
	for w := range b.viewers {
		if w.lane != v.Lane {
			continue
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// View returns the newest view of a lane.
func (b *Board) View(lane uint8) (View, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.lanes[lane]
	return v, ok
}

var errCrowded = errors.New("too many displays are open; close some")

func (b *Board) join(lane uint8) (*viewer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.viewers) >= MaxViewers {
		return nil, errCrowded
	}
	w := &viewer{lane: lane, wake: make(chan struct{}, 1)}
	b.viewers[w] = struct{}{}
	return w, nil
}

func (b *Board) leave(w *viewer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.viewers, w)
}

// files are the page's, without comments: a lane's program is measured in bytes.
//
// lane.css is large enough for 2 m: the smallest line is about 1/20 of the screen's
// width. White on each background has a contrast of 7:1 or more; the sign tells by its
// shape what the colour tells.
//
// lane.js needs no hand: it reconnects by itself, and says so when it cannot reach the
// lane, which sends something every 10 s (silence is in ms). Only what changed is
// written, so that a screen reader does not repeat itself. What was set by hand stays on
// the page while the lane cannot be reached.
//
//go:embed page
var files embed.FS

// Handle adds the pages to mux: /lane/N for people, /lane/N/events and
// /lane/N/state for the page, /display/ for its files. Requests end with their
// context, which the server ends at its shutdown.
func (b *Board) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /lane/{n}", b.page)
	mux.HandleFunc("GET /lane/{n}/state", b.state)
	mux.HandleFunc("GET /lane/{n}/events", b.events)
	mux.HandleFunc("GET /display/{file}", serve)
}

// policy allows the page its own files and nothing else. Only pages of this
// machine may show it in a frame, as the simulator does.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self' http://127.0.0.1:* http://localhost:*"

func serve(w http.ResponseWriter, r *http.Request) { send(w, r, r.PathValue("file")) }

// types are those of the files, by the ends of their names.
var types = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// send sends one of the three files. http.ServeFileFS would bring listings of folders
// and answers in ranges along, which nobody asks for here.
func send(w http.ResponseWriter, r *http.Request, name string) {
	b, err := files.ReadFile("page/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", types[path.Ext(name)])
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	w.Write(b) // a browser that went away is no fault
}

// lane returns the lane of the request, or answers that there is none.
func (b *Board) lane(w http.ResponseWriter, r *http.Request) (View, bool) {
	n, err := strconv.ParseUint(r.PathValue("n"), 10, 8)
	v, ok := b.View(uint8(n))
	if err != nil || !ok {
		http.Error(w, "no such lane here; /status lists them", http.StatusNotFound)
		return v, false
	}
	return v, true
}

func (b *Board) page(w http.ResponseWriter, r *http.Request) {
	if _, ok := b.lane(w, r); ok {
		send(w, r, "lane.html")
	}
}

func (b *Board) state(w http.ResponseWriter, r *http.Request) {
	v, ok := b.lane(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(v) // the client may have gone
}

// events sends the view of the lane, each change of it, and a heartbeat.
func (b *Board) events(w http.ResponseWriter, r *http.Request) {
	v, ok := b.lane(w, r)
	if !ok {
		return
	}
	me, err := b.join(v.Lane)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer b.leave(me)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		v, _ = b.View(v.Lane)
		if sendEvent(w, v) != nil {
			return // the page has gone
		}
		select {
		case <-me.wake:
		case <-beat.C:
		case <-r.Context().Done():
			return
		}
	}
}

func sendEvent(w http.ResponseWriter, v View) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode view: %w", err)
	}
	c := http.NewResponseController(w)
	if err := c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
		return fmt.Errorf("send view: %w", err)
	}
	return c.Flush()
}
