package devmail

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed pages/*.html static
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.Format("15:04:05") },
	"list":  func(to []string) string { return strings.Join(to, ", ") },
}).ParseFS(files, "pages/*.html"))

// policy lets the page load its own style, script and pictures, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// mailPolicy is for the HTML of a mail: it runs nothing, asks nobody and belongs
// to no origin.
const mailPolicy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"

// maxForm bounds a posted form in bytes.
const maxForm = 4 << 10

func (c *Catcher) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.showList)
	mux.HandleFunc("GET /mails", c.listJSON)
	mux.HandleFunc("GET /mails/{id}", c.showMail)
	mux.HandleFunc("GET /mails/{id}/html", c.showHTML)
	mux.HandleFunc("GET /mails/{id}/parts/{n}", c.showPart)
	mux.HandleFunc("POST /clear", func(w http.ResponseWriter, r *http.Request) {
		c.Clear()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /live", c.live)
	mux.Handle("GET /static/", http.FileServerFS(files))
	return guarded(http.NewCrossOriginProtection().Handler(mux))
}

// guarded keeps other sites out that have their own name point here, and sets the
// headers.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "open this page as http://127.0.0.1:PORT", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

func (c *Catcher) render(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		c.options.Log.Warn("show a mail", "cause", err)
	}
}

func (c *Catcher) showList(w http.ResponseWriter, r *http.Request) {
	c.render(w, "list.html", struct {
		SMTP  string
		To    string
		Mails []*Mail
	}{c.SMTPAddress(), r.FormValue("to"), c.Mails(r.FormValue("to"))})
}

func (c *Catcher) listJSON(w http.ResponseWriter, r *http.Request) {
	list := c.Mails(r.FormValue("to"))
	if list == nil {
		list = []*Mail{}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(list); err != nil {
		c.options.Log.Debug("list mails", "cause", err)
	}
}

// mailOf answers 404 itself.
func (c *Catcher) mailOf(w http.ResponseWriter, r *http.Request) *Mail {
	m := c.find(r.PathValue("id"))
	if m == nil {
		http.Error(w, "this mail is not kept any more: go back to the list", http.StatusNotFound)
	}
	return m
}

func (c *Catcher) showMail(w http.ResponseWriter, r *http.Request) {
	if m := c.mailOf(w, r); m != nil {
		c.render(w, "mail.html", m)
	}
}

// showHTML shows a mail's HTML with its own pictures in it.
func (c *Catcher) showHTML(w http.ResponseWriter, r *http.Request) {
	m := c.mailOf(w, r)
	if m == nil {
		return
	}
	text := m.HTML
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Picture() && p.ID != "" {
			text = strings.ReplaceAll(text, `"cid:`+p.ID+`"`, fmt.Sprintf(`"data:%s;base64,%s"`, p.Type, base64.StdEncoding.EncodeToString(p.Data)))
		}
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte(text))
}

func (c *Catcher) showPart(w http.ResponseWriter, r *http.Request) {
	m := c.mailOf(w, r)
	if m == nil {
		return
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(m.Parts) {
		http.Error(w, "this mail has no such part: go back to the mail", http.StatusNotFound)
		return
	}
	p := &m.Parts[n]
	w.Header().Set("Content-Type", "application/octet-stream")
	if p.Picture() {
		w.Header().Set("Content-Type", p.Type)
	}
	w.Write(p.Data)
}

// beat keeps a silent live page open.
const beat = 15 * time.Second

// live tells open pages that something came; they load the list again.
func (c *Catcher) live(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	t := time.NewTicker(beat)
	defer t.Stop()
	for line := ": open\n\n"; ; {
		_, changed := c.look("")
		if control.SetWriteDeadline(time.Now().Add(beat)) != nil {
			return
		}
		if _, err := w.Write([]byte(line)); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
			line = "data: changed\n\n"
		case <-t.C:
			line = ": beat\n\n"
		}
	}
}
