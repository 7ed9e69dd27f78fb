package status

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"turnstile/central/database"
	"turnstile/central/link"
)

// ErrZone tells that the rules have no such zone.
var ErrZone = errors.New("no such zone")

// SetMode makes m the standing mode of a zone, keeps everything else of the rules
// and publishes them. by and reason stand in the audit. ErrZone; ErrVersion if
// another central changed the rules at this moment: nothing was changed then, and
// it can be tried again.
func (f *Feed) SetMode(ctx context.Context, by string, zone uint8, m link.Mode, reason string) (link.Rules, error) {
	var stored link.Rules
	var err error
	called := f.call(ctx, func(ctx context.Context) {
		f.look(ctx)
		stored, err = f.setMode(ctx, zone, m, database.Deed{By: by, Action: "mode", Subject: fmt.Sprintf("zone %d", zone), Detail: modeWords[m] + ": " + reason})
	})
	return stored, errors.Join(called, err)
}

// modeWords are the modes in the audit.
var modeWords = map[link.Mode]string{link.Normal: "normal", link.Lockdown: "lockdown", link.FreePassage: "free passage"}

func (f *Feed) setMode(ctx context.Context, zone uint8, m link.Mode, why database.Deed) (link.Rules, error) {
	r := f.rules
	r.Zones = slices.Clone(r.Zones)
	z := r.Zone(zone)
	switch {
	case z == nil:
		return r, fmt.Errorf("%w: %d", ErrZone, zone)
	case z.Mode == m:
		return r, nil
	}
	z.Mode = m
	if err := f.keepRules(ctx, r, why); errors.Is(err, database.ErrConflict) {
		return r, fmt.Errorf("%w: %w", ErrVersion, err)
	} else if err != nil {
		return r, err
	}
	f.publishRules(ctx)
	f.publishHead(ctx)
	return f.rules, nil
}
