// Package osdptest has OSDP readers without hardware: at the far end of a serial line, and on a line in virtual time with its panel.
package osdptest

import (
	"io"
	"sync"
	"time"

	"turnstile/firmware-bridge/osdp"
)

// Reader is a reader made of an osdp.Peripheral, and what is wrong with it. Its
// methods may be called from any goroutine.
type Reader struct {
	mu    sync.Mutex // guards the following
	pd    *osdp.Peripheral
	spoil Spoil
}

// Spoil stands between a reader and the line: it gets the command that the
// reader heard, in wire form, and what the reader answers, and returns what goes
// out. Nil is silence.
type Spoil func(command, answer []byte) []byte

// Config is a reader with the secure channel, made for address.
func Config(address uint8, key osdp.Key) osdp.PeripheralConfig {
	return osdp.PeripheralConfig{
		Address:  address,
		Key:      key,
		Identity: osdp.Identity{Vendor: [3]byte{0xFC, 0xFF, address}, Model: 1, Version: 1, Serial: 1000 + uint32(address), Firmware: [3]uint8{1, 0, 0}},
		Capabilities: osdp.Capabilities{
			{Function: osdp.FunctionCheck, Level: 1},
			{Function: osdp.FunctionSecurity, Level: 1},
			{Function: osdp.FunctionReceive, Level: osdp.MaxPacket & 0xFF, Count: osdp.MaxPacket >> 8},
		},
	}
}

// NewReader makes a reader. It says what is wrong with c.
func NewReader(c osdp.PeripheralConfig) (*Reader, error) {
	pd, err := osdp.NewPeripheral(c)
	return &Reader{pd: pd}, err
}

// Spoil sets what stands between the reader and the line; nil takes it away.
func (r *Reader) Spoil(s Spoil) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoil = s
}

// Do calls f with the reader's state machine.
func (r *Reader) Do(f func(*osdp.Peripheral)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.pd)
}

// Scan shows the reader a QR code. It reports false when too many wait already.
func (r *Reader) Scan(text string) bool {
	return r.Offer(osdp.Raw{Bits: uint16(8 * len(text)), Data: []byte(text)})
}

// Offer hands over what the next poll shall get.
func (r *Reader) Offer(m osdp.Message) (ok bool) {
	r.Do(func(pd *osdp.Peripheral) { ok = pd.Offer(m) })
	return ok
}

// Hear gives the reader bytes off the line and returns its answer, which the
// caller may keep.
func (r *Reader) Hear(b []byte, now time.Time) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := append([]byte(nil), r.pd.Receive(b, now)...)
	if r.spoil != nil && len(b) > 0 {
		answer = r.spoil(b, answer)
	}
	return answer
}

// Play lets readers share the far end of a line until it is closed or fails,
// which Play returns.
func Play(far io.ReadWriter, readers ...*Reader) error {
	var b [512]byte
	for {
		n, err := far.Read(b[:])
		if err != nil {
			return err
		}
		for _, r := range readers {
			if answer := r.Hear(b[:n], time.Now()); len(answer) > 0 {
				if _, err := far.Write(answer); err != nil {
					return err
				}
			}
		}
	}
}
