package devmail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"
)

// Mail is one that came.
type Mail struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	From    string    `json:"from"` // of the envelope, as To
	To      []string  `json:"to"`
	TLS     bool      `json:"tls"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Parts   []Part    `json:"parts"` // pictures and files
	Size    int       `json:"size"`  // bytes
	// Wrong says what of it could not be read, "" for nothing.
	Wrong string `json:"wrong,omitempty"`

	Header mail.Header `json:"-"`
}

// Part is a picture or a file of a mail.
type Part struct {
	Name string `json:"name"`
	Type string `json:"type"`
	ID   string `json:"id"`   // Content-ID, without brackets
	Data []byte `json:"data"` // base64 in JSON
}

// Picture reports whether browsers are shown the part: nothing that runs.
func (p *Part) Picture() bool {
	return p.Type == "image/png" || p.Type == "image/jpeg" || p.Type == "image/gif" || p.Type == "image/webp"
}

// Bounds of a mail's structure.
const (
	maxDepth = 6
	maxParts = 50
)

// Parse reads a mail. What cannot be read is named in Wrong; the rest is there.
func Parse(raw []byte) *Mail {
	m := &Mail{}
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Wrong, m.Text = "the header cannot be read", printable(raw)
		return m
	}
	m.Header = message.Header
	m.Subject = decodeWords(message.Header.Get("Subject"))
	left := maxParts
	m.take(header(message.Header.Get), message.Body, maxDepth, &left)
	return m
}

// header looks a field of a message or a part up.
type header func(name string) string

// take sorts one part, and those within.
func (m *Mail) take(h header, body io.Reader, depth int, left *int) {
	if *left--; *left < 0 || depth == 0 {
		m.Wrong = "it has more parts than are shown"
		return
	}
	kind, params, err := mime.ParseMediaType(h("Content-Type"))
	if err != nil {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		m.walk(multipart.NewReader(body, params["boundary"]), depth, left)
		return
	}
	data, err := io.ReadAll(decoded(h("Content-Transfer-Encoding"), body))
	if err != nil {
		m.Wrong = "a part is cut off or badly encoded"
	}
	disposition, file, err := mime.ParseMediaType(h("Content-Disposition"))
	if err != nil {
		disposition = ""
	}
	switch {
	case kind == "text/plain" && disposition != "attachment" && m.Text == "":
		m.Text = printable(data)
	case kind == "text/html" && disposition != "attachment" && m.HTML == "":
		m.HTML = printable(data)
	default:
		name := decodeWords(file["filename"])
		if name == "" {
			name = decodeWords(params["name"])
		}
		m.Parts = append(m.Parts, Part{Name: name, Type: kind, ID: strings.Trim(h("Content-ID"), "<>"), Data: data})
	}
}

func (m *Mail) walk(r *multipart.Reader, depth int, left *int) {
	for *left > 0 {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return
		}
		if err != nil {
			m.Wrong = "its parts cannot be told apart"
			return
		}
		m.take(p.Header.Get, p, depth-1, left)
	}
}

func decoded(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

func decodeWords(text string) string {
	plain, err := new(mime.WordDecoder).DecodeHeader(text)
	if err != nil {
		plain = text
	}
	return printable([]byte(plain))
}

// printable is a text as a page can show it.
func printable(text []byte) string {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\x00", "\uFFFD")
}
