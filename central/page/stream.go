package page

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// sendLimit bounds how long one part of a page may take to be sent.
const sendLimit = 10 * time.Second

// errLeft tells that the browser left while a page was sent: its answer has begun, and
// nobody reads the rest.
var errLeft = errors.New("the browser has left")

// Hole is where the parts of a streamed page go; its page has it once. It is
// random, so that no text of a person can bring it along.
func (v *View) Hole() string { return v.hole }

// Stream is a page that is shown while it is made: progress of long work needs
// neither JavaScript nor a second request. Its route is Slow.
type Stream struct {
	x    *Exchange
	t    *Templates
	name string
	tail string
}

// Stream sends the begin of a page, up to its Hole. After that, errors can only be
// shown as a part.
func (x *Exchange) Stream(t *Templates, name, title string, data any) (*Stream, error) {
	set := t.pages[name]
	if set == nil {
		return nil, fmt.Errorf("show page: there is no template %s", name)
	}
	x.hole = rand.Text()
	var out bytes.Buffer
	if err := set.ExecuteTemplate(&out, "layout", x.dressed(&View{Exchange: x, Title: title, Data: data, of: t})); err != nil {
		return nil, fmt.Errorf("show page %s: %w", name, err)
	}
	head, tail, ok := strings.Cut(out.String(), x.hole)
	if !ok {
		return nil, fmt.Errorf("show page %s: it has no hole", name)
	}
	x.Writer.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.Writer.Header().Set("X-Accel-Buffering", "no")
	x.Writer.WriteHeader(http.StatusOK)
	s := &Stream{x, t, name, tail}
	return s, s.send(head)
}

// Part sends one named template of the page's file.
func (s *Stream) Part(part string, data any) error {
	return s.part(s.t, s.name, part, data)
}

func (s *Stream) part(t *Templates, name, part string, data any) error {
	var out bytes.Buffer
	if err := t.pages[name].ExecuteTemplate(&out, part, s.x.dressed(&View{Exchange: s.x, Data: data, of: t})); err != nil {
		return fmt.Errorf("show part %s: %w", part, err)
	}
	return s.send(out.String())
}

// End sends the rest of the page.
func (s *Stream) End() error { return s.send(s.tail) }

// Fail shows what went wrong in the middle, and ends the page.
func (s *Stream) Fail(err error) error {
	if err := s.part(s.x.site.Frame.own, "problem.html", "problem", s.x.problem(err)); err != nil {
		return err
	}
	return s.End()
}

func (s *Stream) send(text string) error {
	control := http.NewResponseController(s.x.Writer)
	control.SetWriteDeadline(time.Now().Add(sendLimit)) // a writer without deadlines cannot hang
	if _, err := s.x.Writer.Write(whole([]byte(text))); err != nil {
		return fmt.Errorf("send page: %w: %w", errLeft, err)
	}
	if err := control.Flush(); err != nil {
		return fmt.Errorf("send page: %w: %w", errLeft, err)
	}
	return nil
}
