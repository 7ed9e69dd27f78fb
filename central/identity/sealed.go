package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
)

// What has to be remembered between two steps of a stranger goes back to the
// browser, sealed: so nobody fills the database without having signed in. That
// it counts once is noted when it has counted.

// stepLimit is how long the second step may take.
const stepLimit = 10 * time.Minute

// maxState bounds a state as it comes back, in bytes.
const maxState = 8 << 10

// ErrState refuses a second step: too late, done before, or not ours.
var ErrState = errors.New("this took too long, or was done already")

type sealedState struct {
	Until int64           `json:"until"` // Unix ms
	Nonce []byte          `json:"nonce"`
	Value json.RawMessage `json:"value"`
}

// sealState returns v as a text that only openState with the purpose opens.
func (i *Identity) sealState(purpose string, v any) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode state: %w", err)
	}
	data, err := json.Marshal(sealedState{i.config.Now().Add(stepLimit).UnixMilli(), Secret(16), value})
	if err != nil {
		return "", fmt.Errorf("encode state: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(i.config.Box.Seal(purpose, data)), nil
}

// openState reads v and returns what makes it count once.
func (i *Identity) openState(purpose, text string, v any) (spend func(context.Context) error, err error) {
	if len(text) > maxState {
		return nil, ErrState
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrState
	}
	data, err := i.config.Box.Open(purpose, sealed)
	if err != nil {
		return nil, ErrState
	}
	var s sealedState
	if json.Unmarshal(data, &s) != nil || json.Unmarshal(s.Value, v) != nil || i.now() >= s.Until {
		return nil, ErrState
	}
	return func(ctx context.Context) error {
		hash := sha256.Sum256(s.Nonce)
		err := i.config.DB.Spend(ctx, hash[:], s.Until)
		if errors.Is(err, database.ErrConflict) {
			return ErrState
		}
		if err != nil {
			return fmt.Errorf("note what counts once: %w", err)
		}
		return nil
	}, nil
}
