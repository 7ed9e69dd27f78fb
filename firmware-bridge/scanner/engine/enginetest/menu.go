package enginetest

import (
	"bytes"
	"maps"
	"strings"
	"time"

	"turnstile/firmware-bridge/scanner/engine/honeywell"
	"turnstile/firmware-bridge/scanner/engine/newland"
)

// Settings are an engine's settings by tag and subtag, and their copy in flash.
type Settings struct {
	Now, Flash map[string]string
	Writes     int // to flash
}

func settings(all map[string]string) Settings { return Settings{all, maps.Clone(all), 0} }

// set changes one that is there and reports whether it was.
func (s *Settings) set(command string, forEver bool) bool {
	tag, value := command[:6], command[6:]
	if _, known := s.Now[tag]; !known {
		return false
	}
	s.Now[tag] = value
	if forEver {
		s.Flash[tag] = value
		s.Writes++
	}
	return true
}

// Newland plays a Newland engine. Use NewNewland.
type Newland struct {
	Reader
	Settings
	Old bool // an EM3000: it knows ? and 1B 31 only

	held []byte
}

// newlandRates are two of its rates; the first code is of this fake alone.
var newlandRates = map[string]int{"3": 9600, "8": 115200}

// NewNewland returns one at 9600 (code 3) or 115200 (code 8).
func NewNewland(code string) *Newland {
	return &Newland{Settings: settings(map[string]string{"SCNMOD": "0", "232BAD": code}), Reader: Reader{byCommand: true}}
}

// Baud implements Personality.
func (e *Newland) Baud() int { return newlandRates[e.Now["232BAD"]] }

// Restart implements Personality.
func (e *Newland) Restart() {
	e.Now, e.held = maps.Clone(e.Flash), nil
	e.byCommand = e.Now["SCNMOD"] == "0"
}

// Read implements Personality.
func (e *Newland) Read(text string) []Reply { return replies(e.read(text), e.Baud()) }

// Hear implements Personality.
func (e *Newland) Hear(b []byte, _ time.Time) (out []Reply) {
	if e.Old {
		return e.hearOld(b)
	}
	e.held = append(e.held, b...)
	for len(e.held) > 0 {
		store, command, n := newland.ParseCommand(e.held)
		if n == 0 && len(e.held) < room {
			return out
		}
		if n > 0 {
			out = append(out, e.do(store, string(command))...)
		}
		e.held = e.held[max(n, 1):]
	}
	return out
}

func (e *Newland) hearOld(b []byte) []Reply {
	switch {
	case bytes.Equal(b, []byte("?")):
		return replies([]byte("!"), e.Baud())
	case bytes.Equal(b, []byte{0x1B, 0x31}):
		return replies(e.trigger(true), e.Baud())
	}
	return nil
}

// do carries one command out; what it answers leaves at the rate of before.
func (e *Newland) do(store byte, command string) []Reply {
	baud := e.Baud()
	tag, data := command[:6], command[6:]
	status, echo := byte(newland.Done), command
	value, known := e.Now[tag]
	var more []Reply
	switch {
	case tag == "QRYSYS":
		echo = tag + "Product Name:NLS-EM20\r\nFirmware Version:1.00.007\r\n"
	case tag == "SCNTRG":
		more = replies(e.trigger(data == "1"), baud)
	case !known:
		status = newland.Unknown
	case data == "*":
		echo = tag + value
	case e.Refusing:
		status = newland.Bad
	default:
		e.set(command, store == newland.Permanent)
		e.byCommand = e.Now["SCNMOD"] == "0"
	}
	return append(replies(newland.AppendReply(nil, store, echo, status), baud), more...)
}

// Honeywell plays a Honeywell engine. Use NewHoneywell.
type Honeywell struct {
	Reader
	Settings
	Model string

	held []byte
}

var honeywellRates = map[string]int{"5": 9600, "6": 19200, "7": 38400, "8": 57600, "9": 115200}

// NewHoneywell returns one whose rate has the code, such as 5 for 9600.
func NewHoneywell(model, code string) *Honeywell {
	return &Honeywell{Model: model, Settings: settings(map[string]string{"TRGMOD": "3", "232BAD": code})}
}

// Baud implements Personality.
func (e *Honeywell) Baud() int { return honeywellRates[e.Now["232BAD"]] }

// Restart implements Personality.
func (e *Honeywell) Restart() {
	e.Now, e.held = maps.Clone(e.Flash), nil
	e.byCommand = e.Now["TRGMOD"] == "0"
}

// Read implements Personality.
func (e *Honeywell) Read(text string) []Reply { return replies(e.read(text), e.Baud()) }

// Hear implements Personality.
func (e *Honeywell) Hear(b []byte, _ time.Time) (out []Reply) {
	e.held = append(e.held, b...)
	for len(e.held) > 0 {
		n := 0
		switch {
		case len(e.held) >= 3 && e.held[0] == 0x16 && e.held[1] == 'T' && e.held[2] == 0x0D:
			n, out = 3, append(out, replies(e.trigger(true), e.Baud())...)
		case len(e.held) >= 3 && e.held[0] == 0x16 && e.held[1] == 'U' && e.held[2] == 0x0D:
			n, out = 3, append(out, replies(e.trigger(false), e.Baud())...)
		default:
			var command []byte
			var mark byte
			if command, mark, n = honeywell.ParseCommand(e.held); n > 0 {
				out = append(out, e.do(string(command), mark)...)
			}
		}
		if n == 0 && len(e.held) < room {
			return out
		}
		e.held = e.held[max(n, 1):]
	}
	return out
}

func (e *Honeywell) do(command string, mark byte) []Reply {
	baud := e.Baud()
	tag, data := command[:6], command[6:]
	status, echo := byte(honeywell.Done), command
	value, known := e.Now[tag]
	switch {
	case tag == "REVINF":
		echo = "REVINFProduct Name: " + e.Model + "\r\nSoftware Part Number: CA00123\r\n"
	case !known:
		status = honeywell.Unknown
	case data == "?":
		echo = tag + value
	case e.Refusing:
		status = honeywell.Bad
	default:
		e.set(command, mark == honeywell.Permanent)
		e.byCommand = e.Now["TRGMOD"] == "0"
	}
	return replies(honeywell.AppendReply(nil, echo, status, mark), baud)
}

// DE2120 plays one. Use NewDE2120.
type DE2120 struct {
	Reader
	Settings
	Chatty bool // its version comes as a line behind the confirmation

	held []byte
}

// NewDE2120 returns one whose rate has the code, such as 9 for 115200.
func NewDE2120(code string) *DE2120 {
	return &DE2120{Settings: settings(map[string]string{"232BAD": code, "SCM": "MDH"})}
}

// Baud implements Personality.
func (e *DE2120) Baud() int { return honeywellRates[e.Now["232BAD"]] }

// Restart implements Personality.
func (e *DE2120) Restart() { e.held = nil }

// Read implements Personality.
func (e *DE2120) Read(text string) []Reply { return replies(e.read(text), e.Baud()) }

// Hear implements Personality.
func (e *DE2120) Hear(b []byte, _ time.Time) (out []Reply) {
	e.held = append(e.held, b...)
	for len(e.held) > 0 {
		command, n := honeywell.ParseDE2120(e.held)
		if n == 0 && len(e.held) < room {
			return out
		}
		if n > 0 {
			out = append(out, e.do(string(command))...)
		}
		e.held = e.held[max(n, 1):]
	}
	return out
}

func (e *DE2120) do(command string) []Reply {
	baud := e.Baud()
	answer := []byte{honeywell.Done}
	switch {
	case command == "DSPYFW" && e.Chatty:
		answer = []byte("\x06DE2120 V1.03\r\n")
	case command == "DSPYFW":
		answer = []byte("V1.03\x06")
	case command == "SCAN" || command == "SLEEP":
		return append(replies(answer, baud), replies(e.trigger(command == "SCAN"), baud)...)
	case e.Refusing:
		answer = []byte{honeywell.Bad}
	case strings.HasPrefix(command, "SCM"):
		e.Now["SCM"] = command[3:]
		e.Writes++
		e.byCommand = command == "SCMMAN"
	case len(command) < 6 || !e.set(command, true):
		answer = []byte{honeywell.Bad}
	}
	return replies(answer, baud)
}
