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

// SetModes makes m the standing mode of zones, of all that there are for none
// named, in one version of the rules, keeps everything else of them and publishes
// them: all of these zones or none. by and reason stand in the audit, with each
// zone whose mode is another one now. ErrZone if one of them does not exist;
// ErrVersion if another central changed the rules at this moment: nothing was
// changed then, and it can be tried again.
func (f *Feed) SetModes(ctx context.Context, by string, zones []uint8, m link.Mode, reason string) (link.Rules, error) {
	var stored link.Rules
	var err error
	called := f.call(ctx, func(ctx context.Context) {
		f.look(ctx)
		stored, err = f.setModes(ctx, zones, m, database.Deed{By: by, Action: "mode", Detail: modeWords[m] + ": " + reason})
	})
	return stored, errors.Join(called, err)
}

// modeWords are the modes in the audit.
var modeWords = map[link.Mode]string{link.Normal: "normal", link.Lockdown: "lockdown", link.FreePassage: "free passage"}

func (f *Feed) setModes(ctx context.Context, zones []uint8, m link.Mode, why database.Deed) (link.Rules, error) {
	r := f.rules
	r.Zones = slices.Clone(r.Zones)
	for _, id := range zones {
		if r.Zone(id) == nil {
			return r, fmt.Errorf("%w: %d", ErrZone, id)
		}
	}
	var deeds []database.Deed
	for i := range r.Zones {
		z := &r.Zones[i]
		if z.Mode == m || len(zones) > 0 && !slices.Contains(zones, z.ID) {
			continue
		}
		z.Mode = m
		why.Subject = fmt.Sprintf("zone %d", z.ID)
		deeds = append(deeds, why)
	}
	if len(deeds) == 0 {
		return r, nil
	}
	if err := f.keepRules(ctx, r, deeds...); errors.Is(err, database.ErrConflict) {
		return r, fmt.Errorf("%w: %w", ErrVersion, err)
	} else if err != nil {
		return r, err
	}
	f.publishRules(ctx)
	f.publishHead(ctx)
	return f.rules, nil
}
