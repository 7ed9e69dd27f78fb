package lease

import (
	"encoding/json"
	"errors"
	"fmt"

	"turnstile/central/database"
)

// Settings are what all centrals of one database must have alike, but for Broker.
type Settings struct {
	Site      string `json:"site"`
	Timezone  string `json:"timezone"`
	Capacity  uint32 `json:"capacity"`
	Authority string `json:"authority"` // of the key folder: SHA-256, hexadecimal
	Keys      string `json:"keys"`      // where the private keys are: "database" or "socket"
	Broker    string `json:"broker"`    // URL of the external one, "" for the embedded one
}

func (s Settings) encode() (string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode settings: %w", err)
	}
	return string(text), nil
}

// misfit is a central that another one must not run beside.
type misfit struct {
	central database.Central
	err     error
}

func (m *misfit) Error() string { return fmt.Sprintf("central %q: %s", m.central.Name, m.err) }

func (m *misfit) Unwrap() error { return m.err }

// fits returns a *misfit for the first of the others that c cannot run beside.
func fits(c database.Central, others []database.Central) error {
	var mine Settings
	if err := json.Unmarshal([]byte(c.Settings), &mine); err != nil {
		return fmt.Errorf("read own settings: %w", err)
	}
	for _, o := range others {
		if o.Name == c.Name {
			return &misfit{o, fmt.Errorf("%w (%q)", ErrName, c.Name)}
		}
		var its Settings
		if err := json.Unmarshal([]byte(o.Settings), &its); err != nil {
			return &misfit{o, fmt.Errorf("%w: its settings cannot be read: %w", ErrSettings, err)}
		}
		if err := agree(mine, its); err != nil {
			return &misfit{o, err}
		}
	}
	return nil
}

func agree(mine, its Settings) error {
	if mine.Broker == "" || its.Broker == "" {
		return ErrBroker
	}
	var errs []error
	for _, s := range []struct{ name, mine, its, hint string }{
		{"site", mine.Site, its.Site, "set it alike, or name another database"},
		{"timezone", mine.Timezone, its.Timezone, "set it alike"},
		{"capacity", fmt.Sprint(mine.Capacity), fmt.Sprint(its.Capacity), "set it alike"},
		{"keys", mine.Keys, its.Keys, "set sign.socket for all centrals or for none"},
		{"key folder", mine.Authority, its.Authority, "give each the same keys: for a new central an empty key folder, which it fills from the database, or the same central sign"},
	} {
		if s.mine != s.its {
			errs = append(errs, fmt.Errorf("%w on %s: %.20s here, %.20s there: %s", ErrSettings, s.name, s.mine, s.its, s.hint))
		}
	}
	return errors.Join(errs...)
}
