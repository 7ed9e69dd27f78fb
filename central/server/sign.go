package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/office"
	"turnstile/central/sign"
)

// Sign puts the private keys into a process of their own, central sign.
type Sign struct {
	// Socket is the path where central sign listens and central asks. Default none:
	// central opens the key folder itself.
	Socket string `yaml:"socket"`
	// Keys is the folder of the private keys. Default keys in the data folder; for
	// central sign a folder that only its own user can read.
	Keys string `yaml:"keys"`
	// Audit is the folder of what central sign signed. Default audit beside Keys.
	Audit string `yaml:"audit"`
	// AuditDays is how many days a full file of the audit stays. Default 400.
	AuditDays int `yaml:"audit_days"`
	// Users of this machine who may use the socket, and for what: mint, live, feed,
	// lanes, servers, keys. Default: central sign's own user, for all.
	Users []sign.User `yaml:"users"`
	// Limits are how much one minute may take of each; lookups, one day.
	Limits sign.Limits `yaml:"limits"`
}

// maxAuditDays is a hundred years.
const maxAuditDays = 36500

func (s *Sign) problems(wrong func(bad bool, key, format string, args ...any)) {
	wrong(s.Socket != "" && !filepath.IsAbs(s.Socket), "sign.socket", "want an absolute path, which both processes know")
	wrong(len(s.Socket) > 100, "sign.socket", "a socket's path has at most 100 characters")
	wrong(s.AuditDays < 0 || s.AuditDays > maxAuditDays, "sign.audit_days", "%d is none of 1 to %d, or 0 for the default", s.AuditDays, maxAuditDays)
	wrong(len(s.Users) > sign.MaxUsers, "sign.users", "%d users, at most %d", len(s.Users), sign.MaxUsers)
	for _, u := range s.Users {
		wrong(u.UID < 0, "sign.users", "uid %d is none", u.UID)
		for _, r := range u.May {
			wrong(!slices.Contains(sign.Rights(), r), "sign.users", "right %.40q, want some of %v", r, sign.Rights())
		}
	}
	if err := s.Limits.Check(); err != nil {
		wrong(true, "sign.limits", "%s", err)
	}
}

// keyFolder is where the private keys are.
func (c *Config) keyFolder() string {
	if c.Sign.Keys != "" {
		return c.Sign.Keys
	}
	return filepath.Join(c.Data, "keys")
}

func (c *Config) auditFolder() string {
	if c.Sign.Audit != "" {
		return c.Sign.Audit
	}
	return filepath.Join(filepath.Dir(c.keyFolder()), "audit")
}

// openService returns the private keys: in this process, as other centrals of the
// database have them, or over the socket.
// alarm is told of what central sign refuses.
func (c *Config) openService(ctx context.Context, db *database.DB, phrase []byte, alarm func(detail string)) (issuer.Service, func(), error) {
	switch {
	case c.Sign.Socket == "" && db.IsShared():
		ring, err := c.openRing(ctx, db, phrase)
		return ring, func() {}, err
	case c.Sign.Socket == "":
		i, err := c.openKeys(phrase)
		return i, func() {}, err
	}
	if err := c.keysMoved(); err != nil {
		return nil, nil, err
	}
	client, err := sign.Dial(c.Sign.Socket, c.Site, alarm)
	if errors.Is(err, sign.ErrForeign) {
		return nil, nil, fmt.Errorf("%w: sign.socket: %w", ErrConfig, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}

// keysMoved returns an error if private keys lie in the data folder though central
// sign has another one: they were forgotten there, and central sign made new ones
// that no lane knows; or they were copied, and who takes over central has them.
func (c *Config) keysMoved() error {
	old := filepath.Join(c.Data, "keys")
	if _, err := os.Stat(filepath.Join(old, issuer.SealFile)); err != nil || c.keyFolder() == old {
		return nil
	}
	return fmt.Errorf("%w: private keys are left in %s: stop central sign, move that folder to %s (in the place of keys that central sign may have made there), "+
		"give it to central sign's user and start both; see the unit turnstile-sign", ErrConfig, old, c.keyFolder())
}

// lockKeys takes a key folder for this process: two that make keys in it would
// publish two keysets of one version, and lanes would call that a fork.
func lockKeys(folder string) (unlock func(), err error) {
	unlock, err = lockFolder(folder)
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("%w: %s; central and central sign must not both open it", ErrKeysInUse, folder)
	}
	return unlock, err
}

// phrase reads the passphrase, which a central without keys does not need.
func (c *Config) phrase() ([]byte, error) {
	if c.Sign.Socket != "" {
		return nil, nil
	}
	return c.readPhrase()
}

func (c *Config) readPhrase() ([]byte, error) {
	phrase, err := c.Passphrase.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return phrase, nil
}

// RunSign runs central sign until ctx ends; ready is called once the socket
// answers.
func RunSign(ctx context.Context, c Config, ready func(socket string)) error {
	if err := c.complete(); err != nil {
		return err
	}
	if c.Sign.Socket == "" {
		return fmt.Errorf("%w: sign.socket: name the path of the socket, for central sign and for central serve", ErrConfig)
	}
	phrase, err := c.readPhrase()
	if err != nil {
		return err
	}
	unlock, err := lockKeys(c.keyFolder())
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(c.keyFolder(), issuer.SealFile)); errors.Is(err, fs.ErrNotExist) {
		c.Log.Warn("there are no keys: new ones are made, for a new installation; those of an existing central are to be moved here before", "folder", c.keyFolder())
	}
	keys, err := c.openKeys(phrase)
	if err != nil {
		return err
	}
	users := c.Sign.Users
	if len(users) == 0 {
		users = []sign.User{{UID: os.Getuid(), May: sign.Rights()}}
	}
	return sign.Run(ctx, sign.Config{Site: c.Site, Socket: c.Sign.Socket, Audit: c.auditFolder(), Keep: time.Duration(c.Sign.AuditDays) * 24 * time.Hour,
		Users: users, Limits: c.Sign.Limits, Keys: keys, Alive: c.watched(), Now: c.Now, Log: c.Log}, func() {
		notify(c.Log, "READY=1")
		ready(c.Sign.Socket)
	})
}

// watched returns what feeds systemd's watchdog, nil if there is none.
func (c *Config) watched() func() {
	if interval, err := daemon.SdWatchdogEnabled(false); err != nil || interval == 0 {
		return nil
	}
	return func() { notify(c.Log, daemon.SdNotifyWatchdog) }
}

// signRefused notes that central sign would not do something; often that is in
// the middle of a transaction, so the alarm is written by keepKeys.
func (s *central) signRefused(detail string) {
	select {
	case s.refusals <- detail:
	default: // enough of them wait already
	}
}

// maxRefusals bounds the refusals that wait to be written down.
const maxRefusals = 16

func (s *central) alarmRefusal(ctx context.Context, detail string) {
	const next = "Central asked for more than it should: look at its log and at central sign's audit for what else was signed in that time. If it was right, raise sign.limits."
	s.config.Log.Warn("central sign refuses", "detail", detail)
	if err := s.alarms.Raise(ctx, "sign_refused", "", "", detail, next); err != nil {
		s.config.Log.Error("store alarm", "error", err)
	}
}

// signerAway words for a caller what only passes by.
func signerAway(err error) error {
	if errors.Is(err, sign.ErrAway) || errors.Is(err, issuer.ErrRefused) {
		return office.Refuse(office.ErrUnavailable, "The signing process does not sign this now; central's log says why. Try again in a minute.")
	}
	return err
}

// SignAudit follows the audit of a configuration's central sign and hands each
// line to show; it returns their number and the last chain value.
func SignAudit(c Config, show func(sign.Line)) (lines int, chain string, err error) {
	if err := c.complete(); err != nil {
		return 0, "", err
	}
	return sign.CheckAudit(c.auditFolder(), show)
}
