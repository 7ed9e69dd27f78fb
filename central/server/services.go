package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turnstile/central/broker"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
)

// rules is the API's office.Rules.
type rules struct{ *central }

func (s rules) Rules(context.Context) (link.Rules, error) { return clone(s.feed.View().Rules) }

// clone copies rules whole: those in force are shared.
func clone(r link.Rules) (out link.Rules, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return out, fmt.Errorf("copy rules: %w", err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("copy rules: %w", err)
	}
	return out, nil
}

func (s rules) SetRules(ctx context.Context, by string, r link.Rules) (link.Rules, error) {
	r, err := clone(r)
	if err != nil {
		return r, err
	}
	r, err = s.feed.SetRules(ctx, by, r)
	switch {
	case errors.Is(err, status.ErrVersion):
		return r, office.Refuse(office.ErrConflict, "Somebody changed the rules meanwhile; read them again and repeat the change.")
	case errors.Is(err, status.ErrRules):
		return r, office.Refuse(office.ErrInvalid, "These rules contradict themselves: %s.", err)
	case err != nil:
		return r, err
	}
	return clone(r)
}

// feed is the API's office.Feed.
type feed struct{ *central }

func (s feed) State(ctx context.Context) (office.FeedState, error) {
	v := s.feed.View()
	out := office.FeedState{Site: s.config.Site, Timezone: s.config.Timezone, Head: v.Head, Keys: v.Keys.Keys}
	for _, l := range v.State.Days {
		issued, err := s.db.Issued(ctx, l.Day)
		if err != nil {
			return out, fmt.Errorf("count passes: %w", err)
		}
		out.Days = append(out.Days, office.DayState{Day: l.Day, Capacity: l.Capacity, Issued: issued, Refused: l.Refused()})
	}
	return out, nil
}

// healthLimit bounds the time that a look at our health takes.
const healthLimit = 800 * time.Millisecond

var errSigner = errors.New("the signer's signatures do not verify")

func (s feed) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	if err := s.db.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if !s.session.Online() {
		return fmt.Errorf("broker: %w", broker.ErrOffline)
	}
	if s.embedded != nil {
		if err := s.embedded.Health(); err != nil {
			return err
		}
	}
	if err := takesWrites(s.config.Data); err != nil {
		return err
	}
	probe, err := link.Seal(s.issuer.Status(), link.TypeAck, s.config.Site, link.Ack{})
	if err == nil {
		_, err = link.Open[link.Ack](probe, link.TypeAck, s.config.Site, s.issuer.StatusKeys(), link.MaxState)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSigner, err)
	}
	if err := s.delegationGood(); err != nil {
		return err
	}
	if today := s.feed.Today(); s.feed.View().State.Day(today) == nil {
		return fmt.Errorf("feed: the list of %s is not open", today)
	}
	return nil
}
