package seal

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

// StepLimit is how long the second step may take.
const StepLimit = 10 * time.Minute

// MaxState bounds a state as it comes back, in bytes.
const MaxState = 8 << 10

// ErrState refuses a second step: too late, done before, or not ours.
var ErrState = errors.New("this took too long, or was done already")

// Spender notes what counts once until it expires (Unix ms), by a hash;
// database.ErrConflict if it did before. *database.DB is one.
type Spender interface {
	Spend(ctx context.Context, hash []byte, expires int64) error
}

// States seals what has to be remembered between two steps of a stranger: it goes
// back to the browser, so nobody fills the database without having signed in.
// That it counts once is noted when it has counted.
type States struct {
	Box   Box
	Spent Spender
	Now   func() time.Time
}

type sealedState struct {
	Until int64           `json:"until"` // Unix ms
	Nonce []byte          `json:"nonce"`
	Value json.RawMessage `json:"value"`
}

// Seal returns v as a text that only Open with the purpose opens, for StepLimit.
func (s States) Seal(purpose string, v any) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode state: %w", err)
	}
	data, err := json.Marshal(sealedState{s.Now().Add(StepLimit).UnixMilli(), Secret(16), value})
	if err != nil {
		return "", fmt.Errorf("encode state: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.Box.Seal(purpose, data)), nil
}

// Open reads v and returns what makes it count once. ErrState.
func (s States) Open(purpose, text string, v any) (spend func(context.Context) error, err error) {
	if len(text) > MaxState {
		return nil, ErrState
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrState
	}
	data, err := s.Box.Open(purpose, sealed)
	if err != nil {
		return nil, ErrState
	}
	var state sealedState
	if json.Unmarshal(data, &state) != nil || json.Unmarshal(state.Value, v) != nil || s.Now().UnixMilli() >= state.Until {
		return nil, ErrState
	}
	return func(ctx context.Context) error { return s.spend(ctx, state) }, nil
}

func (s States) spend(ctx context.Context, state sealedState) error {
	hash := sha256.Sum256(state.Nonce)
	err := s.Spent.Spend(ctx, hash[:], state.Until)
	if errors.Is(err, database.ErrConflict) {
		return ErrState
	}
	if err != nil {
		return fmt.Errorf("note what counts once: %w", err)
	}
	return nil
}
