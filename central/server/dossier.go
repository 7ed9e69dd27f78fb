package server

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
)

// How much of each a dossier shows.
const (
	dossierJournals = 20
	dossierEntries  = 200 // looked at for what was seen
	dossierSights   = 30  // per lane
	dossierRows     = 50  // alarms, deeds, certificates
)

func (s laneFleet) Dossier(ctx context.Context, lane string) (office.Dossier, error) {
	d := office.Dossier{Place: office.Place{Lane: lane}}
	if err := s.whoItIs(ctx, &d, lane); err != nil {
		return d, err
	}
	steps := []func(context.Context, *office.Dossier, string) error{s.itsPlace, s.itsCertificates, s.itsJournals, s.itsHistory}
	for _, step := range steps {
		if err := step(ctx, &d, lane); err != nil {
			return d, fmt.Errorf("collect what is known of lane %s: %w", lane, err)
		}
	}
	return d, nil
}

// whoItIs finds the controller among those that are and those that were.
func (s laneFleet) whoItIs(ctx context.Context, d *office.Dossier, lane string) error {
	all, err := lanes(s).List(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(l office.Lane) bool { return l.ID == lane }); i >= 0 {
		d.Lane = all[i]
		return nil
	}
	retired, err := s.Retired(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(retired, func(r office.RetiredLane) bool { return r.ID == lane })
	if i < 0 {
		return office.Refuse(office.ErrNotFound, "There is no lane controller %.40q.", lane)
	}
	d.Lane, d.Retired = office.Lane{ID: lane}, &retired[i]
	return nil
}

func (s laneFleet) itsPlace(ctx context.Context, d *office.Dossier, lane string) error {
	all, err := places(s).Places(ctx)
	for _, p := range all {
		if p.Lane == lane {
			d.Place = p
		}
	}
	return err
}

func (s laneFleet) itsCertificates(ctx context.Context, d *office.Dossier, lane string) error {
	if c, err := x509.ParseCertificate(s.fleet.Lane(lane).Certificate); err == nil {
		d.Serial = hex.EncodeToString(c.SerialNumber.Bytes())
	}
	open, err := s.db.Invitations(ctx, lane, s.config.Now().UnixMilli())
	if err != nil {
		return err
	}
	for _, i := range open {
		d.Invited = time.UnixMilli(i.Expires)
	}
	rows, err := s.db.LaneCertificates(ctx, lane, dossierRows)
	for _, r := range rows {
		d.Certificates = append(d.Certificates, office.OldCertificate{Serial: r.Serial, Removed: time.UnixMilli(r.Removed), Expires: time.UnixMilli(r.Expires)})
	}
	return err
}

func (s laneFleet) itsJournals(ctx context.Context, d *office.Dossier, lane string) error {
	rows, err := s.db.JournalsOf(ctx, lane)
	if err != nil {
		return err
	}
	var seen []office.Sight
	for i, r := range rows[:min(len(rows), dossierJournals)] {
		gaps, err := s.db.Gaps(ctx, r.Key)
		if err != nil {
			return err
		}
		d.Journals = append(d.Journals, officeJournal(r, gaps))
		if i > 0 {
			continue // an earlier disk's
		}
		entries, err := s.db.LatestEntries(ctx, r.Key, 1<<62, dossierEntries)
		if err != nil {
			return err
		}
		if seen, err = seenIn(entries, dossierSights); err != nil {
			return err
		}
	}
	d.Passages = seen
	return nil
}

func officeJournal(r database.Journal, gaps []database.Gap) office.Journal {
	j := office.Journal{ID: r.ID, Durable: r.Last, Started: moment(r.Started)}
	for _, g := range gaps {
		j.Gaps = append(j.Gaps, office.Gap{From: g.From, To: g.To, At: moment(g.At)})
	}
	return j
}

// seenIn folds entries, the newest first, into what was seen.
func seenIn(entries []database.Stored, limit int) ([]office.Sight, error) {
	byLane := map[uint8][]office.Sight{}
	for _, r := range slices.Backward(entries) {
		e, _, err := link.ParseEntry(r.Entry)
		if err != nil {
			return nil, fmt.Errorf("read ledger row %d: %w: %w", r.Number, database.ErrDamaged, err)
		}
		byLane[e.Lane] = see(byLane[e.Lane], r, &e, limit)
	}
	return newestFirst(byLane), nil
}

func (s laneFleet) itsHistory(ctx context.Context, d *office.Dossier, lane string) error {
	alarms, err := s.db.AlarmsOf(ctx, lane, dossierRows)
	if err != nil {
		return err
	}
	for _, a := range alarms {
		detail := strings.TrimSpace(a.Subject + " " + a.Detail)
		if a.Count > 1 {
			detail = fmt.Sprintf("%s (%d)", detail, a.Count)
		}
		d.Alarms = append(d.Alarms, office.Alarm{Number: a.Number, At: time.UnixMilli(a.Latest), Lane: a.Lane, Code: a.Code, Detail: detail, Next: a.Next})
	}
	deeds, err := s.db.AuditOf(ctx, lane, dossierRows)
	for _, e := range deeds {
		d.Deeds = append(d.Deeds, office.Deed{At: time.UnixMilli(e.At), By: e.By, Action: e.Action, Detail: e.Detail})
	}
	return err
}
