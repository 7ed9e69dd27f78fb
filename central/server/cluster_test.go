package server

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/database/postgrestest"
	"turnstile/central/issuer"
	"turnstile/central/keyring"
	"turnstile/central/lease"
)

// refused starts a central that is to end by itself, and returns why.
func refused(t *testing.T, c Config) error {
	t.Helper()
	err := Run(t.Context(), c, func(Endpoints) { t.Error("it is ready") })
	if !errors.Is(err, ErrConfig) {
		t.Errorf("not told as an error of the configuration: %v", err)
	}
	return err
}

// TestSecondCentral: one on PostgreSQL may have its own broker; two may not. One that
// differs, or has other keys, ends with an error that says what to do, and the first
// goes on.
func TestSecondCentral(t *testing.T) {
	first := configure(t)
	first.Database = postgrestest.URL(t)
	r := run(t, first)
	second := configure(t)
	second.Database, second.Name = first.Database, "b"
	if err := refused(t, second); !errors.Is(err, lease.ErrBroker) {
		t.Errorf("with a broker of its own: %v", err)
	}
	second.Broker.External = &External{URL: "ssl://127.0.0.1:1"}
	second.Name = ""
	if err := refused(t, second); !errors.Is(err, lease.ErrName) {
		t.Errorf("with the same name: %v", err)
	}
	foreign := configure(t)
	foreign.Database, foreign.Name = first.Database, "c"
	if _, err := issuer.Open(filepath.Join(foreign.Data, "keys"), foreign.Site, []byte("correct horse battery"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, foreign); !errors.Is(err, keyring.ErrForeign) {
		t.Errorf("with other keys: %v", err)
	}
	eventually(t, "the first central is healthy", func() bool { return r.healthy(t) })
	list, err := r.centrals(t)
	if err != nil || len(list) != 1 || list[0] != "central." {
		t.Errorf("%v, %v", list, err)
	}
}

// centrals lists the common names of those that run.
func (r *running) centrals(t *testing.T) ([]string, error) {
	t.Helper()
	db, err := r.config.OpenDatabase(t.Context())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return r.config.centrals(context.Background(), db, nil)
}
