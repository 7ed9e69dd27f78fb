package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"turnstile/central/issuer"
	"turnstile/central/link"
)

// keyOptions says which key folder to open, and whose root it has.
func (c *Config) keyOptions(phrase []byte) (issuer.Options, error) {
	o := issuer.Options{Dir: c.keyFolder(), Site: c.Site, Passphrase: phrase, Now: c.Now()}
	root, err := c.root()
	o.Root = root
	return o, err
}

// root reads the public keys of an offline root, nil if central has its own.
func (c *Config) root() (*link.Root, error) {
	if c.Root == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.Root)
	if err != nil {
		return nil, fmt.Errorf("%w: root: %w; make the root's keys with: central root new", ErrConfig, err)
	}
	r, err := issuer.ParseRoot(data)
	if err != nil {
		return nil, fmt.Errorf("%w: root: %s: %w", ErrConfig, c.Root, err)
	}
	return r, nil
}

// openKeys opens the key folder in this process. What the operator has to do
// first is an ErrConfig.
func (c *Config) openKeys(phrase []byte) (*issuer.Issuer, error) {
	o, err := c.keyOptions(phrase)
	if err != nil {
		return nil, err
	}
	i, err := issuer.OpenWith(o)
	var wants *issuer.NoDelegation
	if errors.Is(err, issuer.ErrPassphrase) || errors.As(err, &wants) {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return i, err
}

// InstallDelegation takes the root's signatures to the request in the key folder
// of a configuration. A central, or central sign, that runs on it takes them by
// itself. The errors are those of issuer.Install.
func InstallDelegation(c Config, signatures [][]byte) (issuer.DelegationState, error) {
	return c.ceremony(func(o issuer.Options) (issuer.DelegationState, error) { return issuer.Install(o, signatures) })
}

// NewRoles makes new role keys in the key folder of a configuration; see
// issuer.NewRoles. A central, or central sign, that runs on it takes them by itself.
func NewRoles(c Config) (issuer.DelegationState, error) { return c.ceremony(issuer.NewRoles) }

// CancelRoles gives such keys up; see issuer.CancelRoles.
func CancelRoles(c Config) (issuer.DelegationState, error) { return c.ceremony(issuer.CancelRoles) }

// ErrCeremony tells that two commands want to change the role keys at a time.
var ErrCeremony = errors.New("another command works on the role keys: wait until it has ended")

// ceremony does something with a key folder beside the process that has it open:
// one command at a time, for one must not remove what the other puts in force.
func (c *Config) ceremony(do func(issuer.Options) (issuer.DelegationState, error)) (issuer.DelegationState, error) {
	o, err := c.folderOptions()
	if err != nil {
		return issuer.DelegationState{}, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return issuer.DelegationState{}, fmt.Errorf("make key folder: %w", err)
	}
	unlock, err := lockFile(filepath.Join(o.Dir, "ceremony.lock"))
	if errors.Is(err, ErrInUse) {
		err = fmt.Errorf("%w: %s", ErrCeremony, o.Dir)
	}
	if err != nil {
		return issuer.DelegationState{}, err
	}
	defer unlock()
	return do(o)
}

// folderOptions completes the configuration of a command that works on the key
// folder beside the process that has it open.
func (c *Config) folderOptions() (issuer.Options, error) {
	if err := c.complete(); err != nil {
		return issuer.Options{}, err
	}
	phrase, err := c.readPhrase()
	if err != nil {
		return issuer.Options{}, err
	}
	return c.keyOptions(phrase)
}
