package dialect

import (
	"bytes"
	"strings"
)

// Clean makes what an engine says of itself fit to be shown: one line of
// printable ASCII, at most 80 bytes.
func Clean(b []byte) string {
	if len(b) > 512 {
		b = b[:512]
	}
	s := strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, string(b))
	s = strings.Join(strings.Fields(s), " ")
	return strings.TrimSpace(s[:min(80, len(s))])
}

// About reads what engines tell of themselves in lines of "name: value", whose
// names differ by model: the firmware's has the word software in it, in lower case.
// Without a line about the product all of it is the model.
func About(told []byte, software string) (model, firmware string) {
	for line := range bytes.Lines(told) {
		name, value, found := bytes.Cut(line, []byte(":"))
		name = bytes.ToLower(name)
		switch {
		case found && bytes.Contains(name, []byte("product")) && model == "":
			model = Clean(value)
		case found && bytes.Contains(name, []byte(software)) && firmware == "":
			firmware = Clean(value)
		}
	}
	if model == "" {
		model = Clean(told)
	}
	return model, firmware
}

// LineOf is how many bytes at the front of v are of scans for sure when no
// reply can begin in them: all of them if nothing was asked, else up to and
// including the first line end.
func LineOf(v View) int {
	if v.Asked == nil {
		return len(v.Bytes)
	}
	if end := bytes.IndexAny(v.Bytes, "\r\n"); end >= 0 {
		return end + 1
	}
	return len(v.Bytes)
}

// Find looks for a reply in line-mode text. reply gives its length at the front
// of what it gets, 0 if more bytes must come to tell, -1 if none begins there.
func Find(v View, reply func(b []byte) int) Piece {
	if v.Asked == nil || v.Inside && v.Lines {
		return Piece{Kind: Text, N: LineOf(v)}
	}
	for i := range v.Bytes {
		n := reply(v.Bytes[i:])
		switch {
		case n < 0:
			if v.Lines { // replies begin where lines begin
				return Piece{Kind: Text, N: LineOf(v)}
			}
			continue
		case i > 0:
			return Piece{Kind: Text, N: i}
		case n == 0:
			return Piece{Kind: More}
		}
		return Piece{Kind: Reply, N: n}
	}
	return Piece{Kind: Text, N: len(v.Bytes)}
}
