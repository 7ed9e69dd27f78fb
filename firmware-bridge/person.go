package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"turnstile/firmware-bridge/commission"
)

// person talks with the installer: what is asked goes out, an answer is a line.
// It implements commission.Person.
type person struct {
	out    io.Writer
	lines  <-chan string // closed at the end of the input; nil when nobody answers (--auto)
	onTerm bool          // test codes are drawn on the terminal
	shown  string        // the code that is up
}

// Tell implements commission.Person.
func (p *person) Tell(text string) { fmt.Fprintln(p.out, text) }

// Ask implements commission.Person. Without anybody to answer it goes on at once:
// who moves the lane then follows what is printed.
func (p *person) Ask(ctx context.Context, text string) (commission.Answer, error) {
	if p.lines == nil {
		fmt.Fprintf(p.out, "   >> %s\n", text)
		return commission.Ready, ctx.Err()
	}
	fmt.Fprintf(p.out, "   >> %s\n      Enter when ready, s to skip, q to end: ", text)
	select {
	case line, open := <-p.lines:
		fmt.Fprintln(p.out)
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "s", "skip":
			return commission.Skip, nil
		case "q", "quit":
			return commission.Skip, commission.ErrStop
		}
		if !open {
			return commission.Skip, commission.ErrStop
		}
		return commission.Ready, nil
	case <-ctx.Done():
		return commission.Skip, ctx.Err()
	}
}

// Show implements commission.Person.
func (p *person) Show(code string) {
	if !p.onTerm || code == p.shown {
		return
	}
	p.shown = code
	s, err := commission.Draw(code)
	if err != nil {
		fmt.Fprintf(p.out, "      %v: use the sheet\n", err)
		return
	}
	fmt.Fprintf(p.out, "%s      code of %d characters, %d columns wide; too large for this window? use the sheet\n", s.Terminal(), len(code), s.Side())
}

// lines delivers what is typed, line by line. The reading ends with the input,
// at the latest with the program: nothing else ends a read of a terminal.
func (t tool) lines(ctx context.Context) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(t.in); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
