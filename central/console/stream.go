package console

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Hole is where the parts of a streamed page go; its page has it once. It is
// random, so that no text of a person can bring it along.
func (v *View) Hole() string { return v.hole }

// Stream is a page that is shown while it is made: progress of long work needs
// neither JavaScript nor a second request. Its Route is Slow.
type Stream struct {
	r    *Request
	t    *Templates
	name string
	tail string
}

// Stream sends the begin of a page, up to its Hole. After that, errors can only be
// shown as a part.
func (r *Request) Stream(t *Templates, name, title string, data any) (*Stream, error) {
	set := t.pages[name]
	if set == nil {
		return nil, fmt.Errorf("show page: there is no template %s", name)
	}
	r.hole = rand.Text()
	var out bytes.Buffer
	if err := set.ExecuteTemplate(&out, "layout", &View{Request: r, Title: title, Data: data, words: t.words}); err != nil {
		return nil, fmt.Errorf("show page %s: %w", name, err)
	}
	head, tail, ok := strings.Cut(out.String(), r.hole)
	if !ok {
		return nil, fmt.Errorf("show page %s: it has no hole", name)
	}
	r.Writer.Header().Set("Content-Type", "text/html; charset=utf-8")
	r.Writer.Header().Set("X-Accel-Buffering", "no")
	r.Writer.WriteHeader(http.StatusOK)
	s := &Stream{r, t, name, tail}
	return s, s.send(head)
}

// Part sends one named template of the page's file.
func (s *Stream) Part(part string, data any) error {
	var out bytes.Buffer
	if err := s.t.pages[s.name].ExecuteTemplate(&out, part, &View{Request: s.r, Data: data, words: s.t.words}); err != nil {
		return fmt.Errorf("show part %s: %w", part, err)
	}
	return s.send(out.String())
}

// End sends the rest of the page.
func (s *Stream) End() error { return s.send(s.tail) }

// Fail shows what went wrong in the middle, and ends the page.
func (s *Stream) Fail(err error) error {
	p := s.r.problem(err)
	var out bytes.Buffer
	if err := s.r.console.frame.pages["problem.html"].ExecuteTemplate(&out, "problem", &View{Request: s.r, Data: p}); err != nil {
		return err
	}
	if err := s.send(out.String()); err != nil {
		return err
	}
	return s.End()
}

func (s *Stream) send(text string) error {
	control := http.NewResponseController(s.r.Writer)
	control.SetWriteDeadline(time.Now().Add(sendLimit)) // a writer without deadlines cannot hang
	if _, err := s.r.Writer.Write(whole([]byte(text))); err != nil {
		return fmt.Errorf("send page: %w", err)
	}
	if err := control.Flush(); err != nil {
		return fmt.Errorf("send page: %w", err)
	}
	return nil
}
