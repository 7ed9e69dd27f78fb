package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/engine/gm65"
	"turnstile/firmware-bridge/scanner/engine/honeywell"
	"turnstile/firmware-bridge/scanner/engine/newland"
	"turnstile/firmware-bridge/scanner/engine/ssi"
	"turnstile/firmware-bridge/serialport"
)

// engineRates are those at which scan engines are asked, the maker's first.
var engineRates = []int{9600, 115200, 57600, 38400, 19200}

// engineFamilies are those of scanner/engine, in the order in which it asks. Its
// driver would also set the engine up, which who only looks must not do.
var engineFamilies = []func() dialect.Dialect{
	func() dialect.Dialect { return gm65.New() },
	func() dialect.Dialect { return gm65.NewM3Y() },
	func() dialect.Dialect { return newland.New() },
	func() dialect.Dialect { return honeywell.New() },
	func() dialect.Dialect { return honeywell.NewDE2120() },
	func() dialect.Dialect { return ssi.New() },
}

// identify asks a scan engine who it is, at all rates, and changes nothing in it.
// The error wraps dialect.ErrSilent if none answers.
func identify(ctx context.Context, path string) (dialect.Identity, error) {
	ctx, stop := context.WithTimeout(ctx, engineTime)
	defer stop()
	p, err := serialport.Open(serialport.Config{Path: path, Baud: engineRates[0]})
	if err != nil {
		return dialect.Identity{}, err
	}
	id, err := askEngines(ctx, p)
	return id, errors.Join(err, p.Close())
}

// askEngines asks all families at all rates.
func askEngines(ctx context.Context, p *serialport.Port) (id dialect.Identity, err error) {
	for _, rate := range engineRates {
		if err := p.SetBaud(rate); err != nil {
			return id, err
		}
		for _, family := range engineFamilies {
			q := &question{ctx: ctx, port: p, speaks: family()}
			if id, err = q.speaks.Identify(q); !errors.Is(err, dialect.ErrSilent) {
				return id, err
			}
		}
	}
	return id, err
}

// unclear is how long bytes are held that may have begun a reply.
const unclear = 100 * time.Millisecond

// question is a line on which an engine is asked who it is, as a dialect.Line.
// What is scanned meanwhile is thrown away.
type question struct {
	ctx    context.Context
	port   *serialport.Port
	speaks dialect.Dialect
	held   []byte // arrived, and not yet known what it is
}

// Baud implements dialect.Line.
func (q *question) Baud() int { return q.port.Baud() }

// SetBaud implements dialect.Line.
func (q *question) SetBaud(baud int) error { return q.port.SetBaud(baud) }

// Rest implements dialect.Line.
func (q *question) Rest(wait time.Duration) error {
	_, err := q.hear(nil, wait)
	return err
}

// Ask implements dialect.Line.
func (q *question) Ask(request []byte, wait time.Duration) ([]byte, error) {
	if _, err := q.port.Write(request); err != nil {
		return nil, err
	}
	reply, err := q.hear(request, wait)
	if reply == nil && err == nil {
		err = fmt.Errorf("ask at %d baud: %w", q.Baud(), dialect.ErrSilent)
	}
	return reply, err
}

// hear waits for a reply to request, or lets wait pass if that is nil.
func (q *question) hear(request []byte, wait time.Duration) ([]byte, error) {
	buf := make([]byte, 512)
	for end := time.Now().Add(wait); time.Now().Before(end); {
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		n, err := q.port.Read(buf, min(time.Until(end), unclear))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			q.held = nil // its rest does not come
		}
		q.held = append(q.held, buf[:n]...)
		if reply, err := q.digest(request); reply != nil || err != nil {
			return reply, err
		}
	}
	return nil, nil
}

// digest takes apart what is held, up to a reply.
func (q *question) digest(request []byte) ([]byte, error) {
	for len(q.held) > 0 {
		p := q.speaks.Take(dialect.View{Bytes: q.held, Asked: request})
		if p.Kind == dialect.More {
			break
		}
		n := min(max(p.N, 1), len(q.held))
		piece := q.held[:n:n]
		q.held = q.held[n:]
		if p.Answer != nil {
			if _, err := q.port.Write(p.Answer); err != nil {
				return nil, err
			}
		}
		if p.Kind == dialect.Reply && request != nil {
			return piece, nil
		}
	}
	return nil, nil
}
