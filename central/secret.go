package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errNoTerminal tells that there is nobody to ask.
var errNoTerminal = fmt.Errorf("%w: no terminal to ask for the passphrase on; name a file with --passphrase", errUsage)

// maxLine bounds a typed line in bytes.
const maxLine = 4096

// askSecret reads one line from the terminal without showing it.
func (c *console) askSecret(question string) ([]byte, error) {
	f, ok := c.in.(*os.File)
	if !ok {
		return nil, errNoTerminal
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, errNoTerminal
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	fmt.Fprintf(c.err, "%s: ", question)
	line, err := readLine(f)
	fmt.Fprintln(c.err)
	return line, errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETS, before))
}

// readLine reads up to the line's end and not beyond: the next question follows.
func readLine(f *os.File) ([]byte, error) {
	line := make([]byte, 0, maxLine)
	for len(line) < maxLine {
		var b [1]byte
		if _, err := f.Read(b[:]); err != nil {
			return nil, fmt.Errorf("read passphrase: %w", err)
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	return bytes.TrimRight(line, "\r"), nil
}
