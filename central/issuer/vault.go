package issuer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"
)

// vault keeps secrets in files of their own, each encrypted with AES-256-GCM
// under a key that argon2id derives from the passphrase.
type vault struct {
	dir  string
	aead cipher.AEAD
}

// seal is the vault's public file, vault.json: how the key is derived.
type seal struct {
	Version   int    `json:"version"`
	KDF       string `json:"kdf"`
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
	Salt      []byte `json:"salt"`
	Check     []byte `json:"check,omitempty"` // an encrypted constant: tells a wrong passphrase from a damaged file
}

// SealFile is in each key folder: how the passphrase's key is derived.
const SealFile = "vault.json"

const checkName = "check"

// maxMemoryKiB bounds what a changed vault.json can make central allocate.
const maxMemoryKiB = 1 << 20

var checkText = []byte("turnstile keys/1")

// ErrDamagedKeys tells that a file in the key folder cannot be used.
var ErrDamagedKeys = errors.New("a key file is missing or damaged: restore the key folder from a backup")

// openVault opens the folder's vault or makes one. ErrPassphrase for a wrong one.
func openVault(dir string, passphrase []byte) (*vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make key folder: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, SealFile))
	if errors.Is(err, fs.ErrNotExist) {
		return newVault(dir, passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	var s seal
	if err := json.Unmarshal(data, &s); err != nil || !s.usable() {
		return nil, fmt.Errorf("%w: %s", ErrDamagedKeys, SealFile)
	}
	v, err := s.vault(dir, passphrase)
	if err != nil {
		return nil, err
	}
	if text, err := v.open(checkName, s.Check); err != nil || string(text) != string(checkText) {
		return nil, ErrPassphrase
	}
	return v, nil
}

// maxTime bounds the passes of the derivation, as maxMemoryKiB does its memory.
const maxTime = 64

// usable reports whether the parameters are ones that this program derives with.
func (s *seal) usable() bool {
	return s.Version == 1 && s.KDF == "argon2id" && s.Time > 0 && s.Time <= maxTime && s.Threads > 0 && s.MemoryKiB <= maxMemoryKiB
}

// newSeal derives with RFC 9106's second recommended choice (64 MiB, 3 passes).
func newSeal() seal {
	s := seal{Version: 1, KDF: "argon2id", Time: 3, MemoryKiB: 64 << 10, Threads: 4, Salt: make([]byte, 16)}
	rand.Read(s.Salt)
	return s
}

func newVault(dir string, passphrase []byte) (*vault, error) {
	s := newSeal()
	v, err := s.vault(dir, passphrase)
	if err != nil {
		return nil, err
	}
	s.Check = v.seal(checkName, checkText)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", SealFile, err)
	}
	return v, writeFile(filepath.Join(dir, SealFile), data)
}

func (s *seal) vault(dir string, passphrase []byte) (*vault, error) {
	block, err := aes.NewCipher(argon2.IDKey(passphrase, s.Salt, s.Time, s.MemoryKiB, s.Threads, 32))
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	return &vault{dir, aead}, nil
}

// seal binds the secret to its name, so that files cannot be swapped.
func (v *vault) seal(name string, secret []byte) []byte {
	nonce := make([]byte, v.aead.NonceSize())
	rand.Read(nonce)
	return v.aead.Seal(nonce, nonce, secret, []byte(name))
}

func (v *vault) open(name string, box []byte) ([]byte, error) {
	n := v.aead.NonceSize()
	if len(box) < n {
		return nil, fmt.Errorf("%w: %s", ErrDamagedKeys, name)
	}
	secret, err := v.aead.Open(nil, box[:n], box[n:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrDamagedKeys, name)
	}
	return secret, nil
}

func (v *vault) path(name string) string { return filepath.Join(v.dir, name+".key") }

// put stores a secret durably.
func (v *vault) put(name string, secret []byte) error {
	return writeFile(v.path(name), v.seal(name, secret))
}

// get returns a secret; fs.ErrNotExist if there is none.
func (v *vault) get(name string) ([]byte, error) {
	box, err := os.ReadFile(v.path(name))
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", name, err)
	}
	return v.open(name, box)
}

// writeFile replaces a file durably, mode 0600: after a crash the old or the
// new content stands there.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // no-op after the rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
