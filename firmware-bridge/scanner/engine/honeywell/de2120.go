package honeywell

import (
	"bytes"
	"fmt"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// DE2120 is the dialect of one DE2120. Use NewDE2120. A command is
//
//	^_^ TAG DATA .
//
// and its reply 06 done or 15 refused, behind whatever text the command asks for:
// DSPYFW (version) takes about 430 ms. SCAN and SLEEP begin and end a read,
// SCMMAN, SCMCNT and SCMMDH are reading by command, always, and on motion, 232BAD
// is the rate as in this package's comment, by default 9 for 115200.
//
// It keeps every setting in flash, so that none is made unless the installer
// asks for permanent ones. What its version looks like on the wire is not known:
// if any of it has the form of a line, asking for it would deliver a false scan,
// and then this driver asks once and sends no heartbeat.
type DE2120 struct {
	opening bool // Identify is under way
	spilled bool // text came beside its reply
}

// slow is how long DSPYFW may take.
const slow = 800 * time.Millisecond

// maxText bounds the text before a reply's last byte.
const maxText = 128

var smile = []byte("^_^")

// NewDE2120 returns a dialect.
func NewDE2120() *DE2120 { return &DE2120{} }

// AppendDE2120 appends one command, such as SCMMDH, to dst.
func AppendDE2120(dst []byte, command string) []byte {
	dst = append(dst, smile...)
	dst = append(dst, command...)
	return append(dst, '.')
}

// ParseDE2120 reads one command at the front of b, n bytes long; n is 0 if more
// are needed and -1 if b does not begin with one.
func ParseDE2120(b []byte) (command []byte, n int) {
	if !bytes.HasPrefix(b, smile[:min(len(b), len(smile))]) {
		return nil, -1
	}
	end := bytes.IndexByte(b, '.')
	switch {
	case end < 0 && len(b) > maxText:
		return nil, -1
	case end < 0:
		return nil, 0
	case end == len(smile):
		return nil, -1
	}
	return b[len(smile):end], end + 1
}

// ParseDE2120Reply reads one reply at the front of b: text without a line end,
// if the command asks for any, and the status; n as in ParseDE2120.
func ParseDE2120Reply(b []byte, text bool) (told []byte, status byte, n int) {
	for i, c := range b {
		switch {
		case c == Done || c == Bad:
			return b[:i], c, i + 1
		case !text || c < ' ' || c > '~' || i == maxText:
			return nil, 0, -1
		}
	}
	return nil, 0, 0
}

// Take implements dialect.Dialect.
func (d *DE2120) Take(v dialect.View) dialect.Piece {
	asks := bytes.HasPrefix(v.Asked, []byte("^_^DSPYFW"))
	p := dialect.Find(v, func(b []byte) int {
		_, _, n := ParseDE2120Reply(b, asks && !v.Inside)
		return n
	})
	if p.Kind == dialect.Text && d.opening && len(bytes.TrimRight(v.Bytes[:p.N], "\r\n")) > 0 {
		d.spilled = true
	}
	return p
}

// Identify implements dialect.Dialect.
func (d *DE2120) Identify(l dialect.Line) (dialect.Identity, error) {
	d.opening = true
	defer func() { d.opening = false }()
	id := dialect.Identity{Family: "de2120", Model: "DE2120", Baud: l.Baud()}
	reply, err := l.Ask(AppendDE2120(nil, "DSPYFW"), slow)
	if err != nil {
		return id, err
	}
	told, _, _ := ParseDE2120Reply(reply, true)
	id.Firmware = dialect.Clean(told)
	return id, l.Rest(slow / 4)
}

// Configure implements dialect.Dialect.
func (d *DE2120) Configure(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	id.Warn("set-up codes cannot be switched off from here: scan the maker's code for it, else a visitor reprograms it with a print")
	if s.QROnly {
		id.Warn("reads every kind of code: scan the maker's codes for QR only")
	}
	if d.spilled {
		id.Warn("no heartbeat: its version has the form of a scan; a dead engine shows only when nobody can pass")
	}
	if !s.Permanent {
		if s.Baud != 0 && s.Baud != l.Baud() || s.Mode == dialect.Trigger {
			id.Warn("keeps settings in flash: set mode and rate once, as permanent settings or by the maker's codes")
		}
		return nil
	}
	command := map[dialect.Mode]string{dialect.Presentation: "SCMMDH", dialect.Trigger: "SCMMAN"}[s.Mode]
	if command != "" {
		err := d.do(l, command)
		if err := dialect.Excuse(l, d, id, "read mode", "scan the maker's code for the mode", err); err != nil {
			return err
		}
	}
	err := d.raise(l, s)
	if err := dialect.Excuse(l, d, id, "rate", "scan the maker's code for the rate", err); err != nil {
		return err
	}
	id.Baud = l.Baud()
	return nil
}

func (d *DE2120) raise(l dialect.Line, s dialect.Settings) error {
	if s.Baud == 0 || s.Baud == l.Baud() {
		return nil
	}
	if codes[s.Baud] == "" || codes[l.Baud()] == "" {
		return fmt.Errorf("%w, %d: it has no code for %d", dialect.ErrRate, l.Baud(), s.Baud)
	}
	return dialect.Raise(l, s.Baud, func(baud int) error { return d.do(l, "232BAD"+codes[baud]) },
		func() error { return d.version(l) })
}

// do makes one setting.
func (d *DE2120) do(l dialect.Line, command string) error {
	reply, err := l.Ask(AppendDE2120(nil, command), patience)
	if err == nil && reply[len(reply)-1] != Done {
		return fmt.Errorf("%s: %w", command, dialect.ErrRefused)
	}
	return err
}

// version asks for it, as a sign of life.
func (d *DE2120) version(l dialect.Line) error {
	_, err := l.Ask(AppendDE2120(nil, "DSPYFW"), slow)
	return err
}

// Alive implements dialect.Dialect.
func (d *DE2120) Alive(l dialect.Line) error {
	if d.spilled {
		return nil
	}
	return d.version(l)
}

// Trigger implements dialect.Dialect.
func (*DE2120) Trigger(on bool) []byte {
	if on {
		return AppendDE2120(nil, "SCAN")
	}
	return AppendDE2120(nil, "SLEEP")
}
