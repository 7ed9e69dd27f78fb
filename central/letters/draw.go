package letters

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// words are a letter in one language.
type words struct {
	subject string
	parts   []part
}

// part is a paragraph of a letter.
type part struct {
	kind  partKind
	text  string
	label string // of a fact or a link
}

type partKind uint8

const (
	plain  partKind = iota
	code            // to be typed: alone on its line
	fact            // label: text
	link            // text is the address
	symbol          // text is what a reader of the page is told of the picture
)

func say(format string, args ...any) part {
	return part{kind: plain, text: fmt.Sprintf(format, args...)}
}
func typed(text string) part        { return part{kind: code, text: text} }
func told(label, text string) part  { return part{kind: fact, label: label, text: text} }
func follow(label, url string) part { return part{kind: link, label: label, text: url} }

// write makes the letter in the language, or in both.
func write(kind string, lang Language, en, zh words) Letter {
	l := Letter{Kind: kind, Lang: lang}
	var pages []string
	for _, w := range []struct {
		lang Language
		words
	}{{English, en}, {Chinese, zh}} {
		if lang != Both && lang != w.lang {
			continue
		}
		l.Subject = joined(l.Subject, " ", oneLine(w.subject))
		l.Text = joined(l.Text, "\n\n", inText(w.parts))
		pages = append(pages, fmt.Sprintf("<div lang=\"%s\">\n%s</div>\n", w.lang, inHTML(w.parts)))
	}
	l.Text += "\n"
	l.HTML = fmt.Sprintf(document, shownLang(lang), html.EscapeString(l.Subject), strings.Join(pages, "<hr>\n"))
	return l
}

func shownLang(l Language) Language {
	if l == Both {
		return English
	}
	return l
}

func joined(a, between, b string) string {
	if a == "" {
		return b
	}
	return a + between + b
}

// oneLine keeps what people typed from making a header of its own.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// document is the frame of the HTML. Styles stand at the elements: readers of mail
// drop the others.
const document = `<!doctype html>
<html lang="%s"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>%s</title></head>
<body style="font:16px/1.5 sans-serif;max-width:34em;margin:1em auto;padding:0 1em">
%s</body></html>
`

// inText draws the parts as plain text; facts that follow each other stand
// together.
func inText(parts []part) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString("\n")
			if p.kind != fact || parts[i-1].kind != fact {
				b.WriteString("\n")
			}
		}
		switch p.kind {
		case code:
			b.WriteString("    " + p.text)
		case fact:
			b.WriteString(p.label + ": " + oneLine(p.text))
		case link:
			b.WriteString(p.label + "\n" + p.text)
		case symbol:
			b.WriteString("[" + p.text + "]")
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// inHTML draws the parts as HTML.
func inHTML(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		text := strings.ReplaceAll(html.EscapeString(p.text), "\n", "<br>")
		label := html.EscapeString(p.label)
		switch p.kind {
		case code:
			fmt.Fprintf(&b, "<p style=\"font:700 30px/1.3 monospace;letter-spacing:.12em\">%s</p>\n", text)
		case fact:
			fmt.Fprintf(&b, "<p style=\"margin:.2em 0\">%s: <strong>%s</strong></p>\n", label, html.EscapeString(oneLine(p.text)))
		case link:
			fmt.Fprintf(&b, "<p><a href=\"%s\" style=\"font-size:18px\">%s</a><br><small>%s</small></p>\n", text, label, text)
		case symbol:
			fmt.Fprintf(&b, "<p style=\"background:#fff;padding:16px;width:320px\"><img src=\"cid:%s\" alt=\"%s\" width=\"320\" height=\"320\"></p>\n", html.EscapeString(p.label), text)
		default:
			fmt.Fprintf(&b, "<p>%s</p>\n", text)
		}
	}
	return b.String()
}

// Times as people read them; the time's location is the campus's.

func day(t time.Time) string { return t.Format("Monday, 2 January 2006") }

func dayZH(t time.Time) string {
	return fmt.Sprintf("%d年%d月%d日（星期%s）", t.Year(), t.Month(), t.Day(), []string{"日", "一", "二", "三", "四", "五", "六"}[t.Weekday()])
}

func moment(t time.Time) string   { return day(t) + ", " + t.Format("15:04") }
func momentZH(t time.Time) string { return dayZH(t) + " " + t.Format("15:04") }

// Mask is an address that its owner knows again and nobody else learns:
// t…@example.org.
func Mask(address string) string {
	local, domain, found := strings.Cut(address, "@")
	if !found || local == "" {
		return "…"
	}
	return string([]rune(local)[:1]) + "…@" + domain
}
