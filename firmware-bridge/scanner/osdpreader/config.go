// Package osdpreader drives OSDP readers on an RS-485 line, over the secure channel only, each as a scanner of its own.
//
// One line has one or two readers. Give each an address of its own (0 to 126)
// and all the same baud rate, 115200 if they can; use a shielded pair with 120 ohm
// at both ends, and tell a USB adapter to hand bytes over at once (echo 1 >
// /sys/bus/usb-serial/devices/ttyUSB0/latency_timer): it holds them for 16 ms else.
//
// Each reader has a key in a file of its own, mode 0600, 32 hexadecimal digits
// (openssl rand -hex 16). There is no mode without it. A new reader gets its key in
// an install window: Bus.Install. ../../osdp/PROFILE.md has the procedure.
//
// A reader reports a QR code as card data of 8 bits a character. What is long
// enough and printable is a text, all else a card number with Bits set; see
// ReaderConfig.TextBytes. A reader that cuts codes at 64 or 128 bytes cannot read
// passes of 141 characters: use another, or let passes be shown as short codes.
package osdpreader

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/serialport"
)

// defaultTextBytes is longer than any card number that is common in whole bytes
// (4, 7, 8 and 10); of the rare longer ones, one of millions is all printable.
const defaultTextBytes = 12

// DefaultSlack is BusConfig.Slack if that is 0.
const DefaultSlack = 50 * time.Millisecond

var (
	// ErrKeyFile is wrapped for a key file that cannot be used. No error holds a
	// part of a key.
	ErrKeyFile = errors.New("key file of an OSDP reader")
	// ErrMaster is returned for a master key without the reader's cUID.
	ErrMaster = errors.New("a master key gives a key to whoever names a cUID: set the reader's cUID, 16 hexadecimal digits, as its maker's tool or the capture of a handshake shows it")
	// ErrRate is wrapped for a baud rate that OSDP does not have.
	ErrRate = errors.New("OSDP has no such baud rate; use 9600, 19200, 38400, 57600, 115200 or 230400, as the reader is set")
)

// rates are those of the standard.
var rates = []int{9600, 19200, 38400, 57600, 115200, 230400}

// ReaderConfig is one reader of a Bus.
type ReaderConfig struct {
	Address int // 0..126
	// KeyFile holds the reader's key, or a master key, as 32 hexadecimal digits
	// with or without a line end. Only its owner may read it: mode 0600 or 0400.
	KeyFile string
	// Master says that KeyFile holds a master key, of which the reader's key is
	// derived by the cUID that the reader tells. It wants CUID: else one who took a
	// key out of any reader under the master key could play this one after each restart.
	Master bool
	// CUID is the reader's cUID, 16 hexadecimal digits as Status.Pin shows it, "" for
	// whichever has the key.
	CUID string
	// TextBytes is from how many whole bytes on, all printable ASCII, what the
	// reader reports is a text and no card number: 1..1024, 0 for 12.
	TextBytes int
}

// BusConfig is a line with its readers.
type BusConfig struct {
	Port    serialport.Config
	Readers []ReaderConfig // 1 or 2
	// Poll is the time between two questions to one reader: how long a scan waits
	// at most on a line without faults. 0 is 50 ms; 5 ms to 1 s.
	Poll time.Duration
	// Slack is what a USB adapter may add to the 200 ms that a reader has to answer,
	// both ways, and a busy host. 0 is DefaultSlack; 1 s at most.
	Slack time.Duration
	// Notice is told of all that happens beside scans: readers going on-line and
	// off-line, alarms, install windows, new keys, and an osdp.LocalStatus (tamper,
	// power) when a reader comes on-line and at each change. It is called by the
	// bus's own goroutine: it must be quick and must not call the Bus. nil for nobody.
	Notice func(osdp.Event)
}

// Check reports what is wrong with c, key files included. It opens no device.
func (c BusConfig) Check() error {
	_, err := c.panel()
	return err
}

// panel is c as the protocol's state machine wants it, with the keys read.
func (c BusConfig) panel() (osdp.PanelConfig, error) {
	if err := c.Port.Check(); err != nil {
		return osdp.PanelConfig{}, err
	}
	if !slices.Contains(rates, c.Port.Baud) {
		return osdp.PanelConfig{}, fmt.Errorf("%w: %d on %s", ErrRate, c.Port.Baud, c.Port.Path)
	}
	if c.Poll != 0 && (c.Poll < 5*time.Millisecond || c.Poll > time.Second) {
		return osdp.PanelConfig{}, fmt.Errorf("poll every %v on %s: use 5ms to 1s", c.Poll, c.Port.Path)
	}
	p := osdp.PanelConfig{Baud: c.Port.Baud, Poll: c.Poll, Slack: cmp.Or(c.Slack, DefaultSlack)}
	for _, r := range c.Readers {
		d, err := r.device()
		if err != nil {
			return osdp.PanelConfig{}, fmt.Errorf("reader %d on %s: %w", r.Address, c.Port.Path, err)
		}
		p.Devices = append(p.Devices, d)
	}
	if err := p.Check(); err != nil {
		return osdp.PanelConfig{}, fmt.Errorf("line %s: %w", c.Port.Path, err)
	}
	return p, nil
}

func (r ReaderConfig) device() (osdp.DeviceConfig, error) {
	if r.Address < 0 || r.Address > osdp.MaxAddress {
		return osdp.DeviceConfig{}, fmt.Errorf("address %d: use 0 to %d, as the reader is set", r.Address, osdp.MaxAddress)
	}
	if r.TextBytes < 0 || r.TextBytes > 1024 {
		return osdp.DeviceConfig{}, fmt.Errorf("texts from %d bytes on: use 1 to 1024", r.TextBytes)
	}
	key, err := ReadKey(r.KeyFile)
	if err != nil {
		return osdp.DeviceConfig{}, err
	}
	if r.Master && r.CUID == "" {
		return osdp.DeviceConfig{}, ErrMaster
	}
	d := osdp.DeviceConfig{Address: uint8(r.Address), Key: key, Master: r.Master}
	if r.CUID != "" {
		id, err := osdp.ParseCUID(r.CUID)
		if err != nil {
			return osdp.DeviceConfig{}, err
		}
		d.Pin = &osdp.Pin{CUID: id}
	}
	return d, nil
}

// ReadKey reads a key file. Its errors wrap ErrKeyFile and what is wrong:
// fs.ErrNotExist, fs.ErrPermission, osdp.ErrKeyText or osdp.ErrWeakKey.
func ReadKey(path string) (osdp.Key, error) {
	if path == "" {
		return osdp.Key{}, fmt.Errorf("%w: none is named; make one with: umask 077; openssl rand -hex 16 > reader.key", ErrKeyFile)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return osdp.Key{}, fmt.Errorf("%w: %w; it must be a file itself and belong to the user that this program runs as", ErrKeyFile, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return osdp.Key{}, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return osdp.Key{}, fmt.Errorf("%w %s has mode %v: %w: others can read it; make a new key, and keep it with: chmod 600 %s", ErrKeyFile, path, info.Mode(), fs.ErrPermission, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return osdp.Key{}, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	key, err := osdp.ParseKey(bytes.TrimRight(text, "\r\n"))
	if err == nil {
		err = key.Check()
	}
	if err != nil {
		return osdp.Key{}, fmt.Errorf("%w %s: %w", ErrKeyFile, path, err)
	}
	return key, nil
}
