package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"turnstile/central/page"
)

// shell are the files that a phone keeps for the time without a network: those of
// the pages that work without one.
var shell = []string{"portal.css", "portal.js", "card.js", "guest.js", "qr.js", "icon.svg"}

// workerFor returns the service worker's source: what it keeps stands in front of
// it, so that browsers take another one whenever a file changes.
func workerFor(files *page.Assets) ([]byte, error) {
	list := []string{"/offline"}
	for _, name := range shell {
		if files.Data(name) == nil {
			return nil, fmt.Errorf("make service worker: there is no %s", name)
		}
		list = append(list, files.URL(name))
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("make service worker: %w", err)
	}
	source := files.Data("worker.js")
	sum := sha256.Sum256(append(bytes.Clone(text), source...))
	return fmt.Appendf(nil, "const VERSION = %q, SHELL = %s;\n%s", hex.EncodeToString(sum[:8]), text, source), nil
}

// serveWorker answers from the root: a worker serves the pages below its own path.
func (p *Portal) serveWorker(r *Request) error {
	h := r.Writer.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	r.Writer.Write(p.worker)
	return nil
}

// manifest describes the home-screen app, in the language of its link: it is asked
// for without cookies.
func (p *Portal) manifest(r *Request) error {
	lang, name := English, "Campus card"
	if r.URL.Query().Get("lang") == string(Chinese) {
		lang, name = Chinese, frameWords[name]
	}
	r.Writer.Header().Set("Content-Type", "application/manifest+json")
	r.Writer.Header().Set("Cache-Control", "no-cache")
	type icon struct {
		Src     string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose"`
	}
	data, err := encode(map[string]any{
		"id": "/", "start_url": "/card/code", "scope": "/", "display": "standalone", "lang": string(lang), "dir": "ltr",
		"name": p.options.Site + " " + name, "short_name": name, "background_color": "#ffffff", "theme_color": "#0b4f4a",
		"icons": []icon{
			{p.files.URL("icon-192.png"), "192x192", "image/png", "any"},
			{p.files.URL("icon-512.png"), "512x512", "image/png", "any"},
			{p.files.URL("icon-maskable.png"), "512x512", "image/png", "maskable"},
		},
	})
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	r.Writer.Write(data)
	return nil
}
