package issuer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Passphrase says where the passphrase of the private keys comes from. Exactly
// one field is set; the passphrase itself is never kept in a configuration.
type Passphrase struct {
	File       string `yaml:"file"`       // a file that only its owner may read
	Env        string `yaml:"env"`        // an environment variable
	Credential string `yaml:"credential"` // a systemd credential (LoadCredential=)
}

// What can be wrong with a passphrase.
var (
	ErrNoPassphrase = errors.New("no passphrase for the private keys")
	ErrPassphrase   = errors.New("the passphrase does not open the private keys: give the one that they were made with")
	ErrExposed      = errors.New("others may read the passphrase")
)

// minPassphrase is the shortest passphrase accepted, in bytes. argon2id makes
// each guess dear; it cannot save a word of four letters.
const minPassphrase = 8

// maxPassphrase bounds what is read of a file, in bytes.
const maxPassphrase = 4096

// Read returns the passphrase without the line end. The errors name the way out
// and never the text.
func (p Passphrase) Read() ([]byte, error) {
	set := 0
	for _, s := range []string{p.File, p.Env, p.Credential} {
		if s != "" {
			set++
		}
	}
	if set != 1 {
		return nil, fmt.Errorf("%w: set exactly one of passphrase.file, passphrase.env, passphrase.credential", ErrNoPassphrase)
	}
	text, err := p.read()
	if err != nil {
		return nil, err
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) < minPassphrase || len(text) > maxPassphrase {
		return nil, fmt.Errorf("%w: %s holds fewer than %d or more than %d bytes", ErrNoPassphrase, p, minPassphrase, maxPassphrase)
	}
	return text, nil
}

// String names the source.
func (p Passphrase) String() string {
	switch {
	case p.File != "":
		return "the file " + p.File
	case p.Env != "":
		return "the environment variable " + p.Env
	}
	return "the systemd credential " + p.Credential
}

func (p Passphrase) read() ([]byte, error) {
	switch {
	case p.File != "":
		return readSecret(p.File, true)
	case p.Env != "":
		v, ok := os.LookupEnv(p.Env)
		if !ok {
			return nil, fmt.Errorf("%w: set the environment variable %s, or passphrase.file in the configuration", ErrNoPassphrase, p.Env)
		}
		return []byte(v), nil
	}
	dir, ok := os.LookupEnv("CREDENTIALS_DIRECTORY")
	if !ok || filepath.Base(p.Credential) != p.Credential {
		return nil, fmt.Errorf("%w: %s is not there; add LoadCredential=%s:FILE to the unit", ErrNoPassphrase, p, p.Credential)
	}
	return readSecret(filepath.Join(dir, p.Credential), false)
}

// readSecret reads a small file. With private, a file that group or others may
// read is refused; systemd guards its credentials by the folder instead.
func readSecret(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPassphrase, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPassphrase, err)
	}
	if private && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: run chmod 600 %s", ErrExposed, path)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPassphrase {
		return nil, fmt.Errorf("%w: %s is no small regular file", ErrNoPassphrase, path)
	}
	text := make([]byte, maxPassphrase)
	n, err := f.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%w: read %s: %w", ErrNoPassphrase, path, err)
	}
	return text[:n], nil
}
