package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/database"
)

// ErrInvitation refuses a link to register with: unknown, used or expired.
var ErrInvitation = errors.New("this link was used, or has expired")

// invitationID is how many characters of a token name its row; the rest is secret.
const invitationID = 12

// NewInvitation makes the one-use token of a person, and what is stored of it.
func NewInvitation(person string, now, expires time.Time) (token string, i database.PersonInvitation) {
	id, secret := rand.Text()[:invitationID], rand.Text()
	hash := sha256.Sum256([]byte(secret))
	return id + "." + secret, database.PersonInvitation{ID: id, Person: person, Secret: hash[:], Created: now.UnixMilli(), Expires: expires.UnixMilli()}
}

// splitToken takes a token apart.
func splitToken(token string) (id, secret string, ok bool) {
	id, secret, ok = strings.Cut(token, ".")
	return id, secret, ok && len(id) == invitationID && len(secret) <= 64
}

// JoinPath is where a person registers, below console.Base.
const JoinPath = "/join"

// JoinURL is the link that a token is sent as.
func JoinURL(origin, token string) string {
	return strings.TrimSuffix(origin, "/") + console.Base + JoinPath + "?token=" + token
}

// Invitation returns whose token this is, without using it up: a mail filter that
// opens links spends nothing. ErrInvitation.
func (i *Identity) Invitation(ctx context.Context, token string) (database.PersonInvitation, database.Person, error) {
	id, secret, ok := splitToken(token)
	if !ok {
		return database.PersonInvitation{}, database.Person{}, ErrInvitation
	}
	row, err := i.config.DB.PersonInvitation(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return row, database.Person{}, ErrInvitation
	}
	if err != nil {
		return row, database.Person{}, fmt.Errorf("find invitation: %w", err)
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], row.Secret) != 1 || i.now() >= row.Expires {
		return row, database.Person{}, ErrInvitation
	}
	p, err := i.config.DB.Person(ctx, row.Person)
	if err != nil {
		return row, p, fmt.Errorf("find the invited person: %w", err)
	}
	return row, p, nil
}
