package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"turnstile/central/symbol"
	"turnstile/simulator/campus"
)

// maxSymbolName bounds the name of a pass whose symbol is asked for, in bytes.
const maxSymbolName = 200

// live is a campus as scripts speak to it.
type live struct {
	Campus
	log *slog.Logger
}

// Live returns the handler of a campus for scripts, to be mounted at a path that ends in a slash:
//
//	GET  events               server-sent events, each with a campus.View as JSON
//	POST do                   one line, an act; answers {"ok": bool, "error": "for a person"}
//	POST picture?lane=north   a PNG, JPEG or GIF whose symbol is scanned; answers as do does
//	GET  symbol?name=student  SVG of what is held before scanners, as Campus.Symbol has it
//	GET  verbs                []campus.Verb and their syntax, as JSON
//	GET  words                the texts of reasons and of entries of the ledger, by their names in a View
func Live(c Campus, log *slog.Logger) http.Handler {
	l := &live{c, log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", l.events)
	mux.HandleFunc("POST /do", l.do)
	mux.HandleFunc("POST /picture", l.picture)
	mux.HandleFunc("GET /symbol", l.symbol)
	mux.HandleFunc("GET /verbs", l.verbs)
	mux.HandleFunc("GET /words", words)
	return mux
}

// How often a browser is told of changes, and how soon it notices that nobody tells.
const (
	eventsApart = 50 * time.Millisecond
	heartbeat   = 10 * time.Second
	writeLimit  = 5 * time.Second
)

// events sends the whole View at each change.
func (l *live) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for {
		changed := l.Changed() // before the View, so that no change is missed
		if send(w, out, l.View()) != nil {
			return // the browser has gone
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-time.After(heartbeat):
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(eventsApart):
		}
	}
}

func send(w io.Writer, out *http.ResponseController, v campus.View) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode view: %w", err)
	}
	if err := out.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil {
		return fmt.Errorf("send view: %w", err)
	}
	return out.Flush()
}

// Answer is what became of a deed.
type Answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"` // for a person, "" if it was done
}

// answer tells what became of a deed. What a person can mend is no failure of the
// request: browsers would write it into their log of errors.
func (l *live) answer(w http.ResponseWriter, what string, err error) {
	a := Answer{OK: err == nil}
	if err != nil {
		a.Error = err.Error()
		if _, ok := errors.AsType[*campus.Refusal](err); !ok && !errors.Is(err, campus.ErrSyntax) {
			l.log.Warn("act", "what", what, "error", err)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(a) // the browser may have gone
}

func (l *live) do(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, campus.MaxLine))
	if err != nil {
		l.answer(w, "line", &campus.Refusal{What: fmt.Sprintf("an act of more than %d bytes: no symbol holds so much", campus.MaxLine)})
		return
	}
	a, err := campus.Parse(string(b))
	if err == nil {
		err = l.Do(r.Context(), a)
	}
	l.answer(w, a.Verb, err)
}

func (l *live) picture(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, symbol.MaxPicture))
	if err != nil {
		l.answer(w, "picture", &campus.Refusal{What: fmt.Sprintf("the picture is larger than %d MB; send a smaller one", symbol.MaxPicture>>20)})
		return
	}
	l.answer(w, "picture", l.ScanPicture(r.Context(), r.URL.Query().Get("lane"), b))
}

func (l *live) symbol(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if len(name) > maxSymbolName {
		http.Error(w, "a name too long; names are short", http.StatusBadRequest)
		return
	}
	b, err := l.Symbol(r.Context(), name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Write(b)
}

// verbs answers with what can be done.
func (l *live) verbs(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		campus.Verb
		Syntax string
	}
	var list []entry
	for _, v := range campus.Verbs() {
		list = append(list, entry{v, v.Syntax()})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(list) // the browser may have gone
}
