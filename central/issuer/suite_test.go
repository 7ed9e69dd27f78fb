package issuer_test

import (
	"testing"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/issuer/issuertest"
)

func TestSuite(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	i, err := issuer.Open(t.TempDir(), issuertest.Site, []byte("correct horse battery"), now)
	if err != nil {
		t.Fatal(err)
	}
	issuertest.Suite(t, i, now)
}
