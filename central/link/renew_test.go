package link_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"turnstile/central/link"
)

func TestRenewal(t *testing.T) {
	from := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	if got := link.RenewFrom(from, from.Add(90*24*time.Hour)); !got.Equal(from.Add(60 * 24 * time.Hour)) {
		t.Error(got)
	}
	got := string(link.RenewSigned("campus", "north-1", []byte("certificate"), []byte("request")))
	hash := sha256.Sum256([]byte("certificate"))
	if want := "turnstile-renew/1\x00\x06campus\x07north-1" + string(hash[:]) + "request"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
