package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/photo"
)

// approvals is the API's office.Approvals, and its Policies.
type approvals struct{ *central }

// approvalDocument is where the policy is kept.
const approvalDocument = "approvals"

func (s approvals) policy() standing[office.Policy] {
	return standing[office.Policy]{s.central, approvalDocument, office.Policy{ECards: true, Guests: true}, func(office.Policy) error { return nil }}
}

func (s approvals) Policy(ctx context.Context) (office.Policy, error) {
	v, err := s.policy().Current(ctx)
	v.Rules.Version = v.Version
	return v.Rules, err
}

func (s approvals) SetPolicy(ctx context.Context, by string, p office.Policy) error {
	_, err := s.policy().Set(ctx, office.Change[office.Policy]{Version: p.Version, Rules: p, By: by, Reason: "what needs approval"})
	return err
}

// byPolicy is who decides what no person has to.
const byPolicy = "policy"

// application checks what is handed in and returns it as it is stored.
func (s approvals) application(ctx context.Context, by string, a office.Submission) (row database.Application, err error) {
	if err := s.stillHere(ctx, a.Holder); err != nil {
		return row, err
	}
	row = database.Application{Kind: string(a.Kind), Holder: a.Holder, Name: a.Name, At: s.config.Now().UnixMilli(), By: by}
	switch a.Kind {
	case office.ApplyECard:
		if row.Photo, err = s.photos.Make(ctx, a.Photo, a.PhotoType); err != nil {
			return row, photoRefused(err)
		}
	case office.ApplyGuests:
		if len(a.Guests) == 0 || len(a.Guests) > office.MaxGuests {
			return row, office.Refuse(office.ErrInvalid, "A request has 1 to %d guests.", office.MaxGuests)
		}
		if _, err := (passes{s.central}).check(guestOrder(&a, a.Guests[0])); err != nil {
			return row, err
		}
	default:
		return row, office.Refuse(office.ErrInvalid, "An application is of kind ecard or guests.")
	}
	facts, err := json.Marshal(a.Facts)
	if err != nil {
		return row, fmt.Errorf("encode application: %w", err)
	}
	request, err := json.Marshal(guestRequest{a.Guests, a.Order})
	if err != nil {
		return row, fmt.Errorf("encode application: %w", err)
	}
	row.Facts, row.Request = string(facts), string(request)
	return row, nil
}

// guestRequest is what a request for guests asks for, as it is stored.
type guestRequest struct {
	Guests []string
	Order  office.Order
}

// photoRefused words what is wrong with an upload.
func photoRefused(err error) error {
	for _, known := range []error{photo.ErrNotPhoto, photo.ErrMismatch, photo.ErrTooLarge, photo.ErrTooSmall} {
		if errors.Is(err, known) {
			return office.Refuse(office.ErrInvalid, "The photo cannot be taken: %s.", known)
		}
	}
	return err
}

// guestOrder is the order of one guest's pass.
func guestOrder(a *office.Submission, guest string) office.Order {
	o := a.Order
	o.Kind, o.Holder, o.GuestName = pass.Guest, a.Holder, guest
	return o
}

func (s approvals) Find(ctx context.Context, number int64) (office.Application, error) {
	row, err := s.db.Application(ctx, number)
	if errors.Is(err, database.ErrNotFound) {
		return office.Application{}, office.Refuse(office.ErrNotFound, "There is no application %d.", number)
	}
	if err != nil {
		return office.Application{}, fmt.Errorf("find application: %w", err)
	}
	a, err := officeApplication(&row)
	if err == nil && row.State == database.ApplicationApproved && row.Kind == database.ApplicationGuests {
		a.Passes, err = s.db.ApplicationPasses(ctx, number)
	}
	if err == nil && row.Decided != 0 {
		a.Told, err = s.told(ctx, &a)
	}
	return a, err
}

func officeApplication(row *database.Application) (office.Application, error) {
	var request guestRequest
	a := office.Application{
		Number: row.Number, State: office.ApplicationState(row.State), HasPhoto: row.HasPhoto, HandedIn: time.UnixMilli(row.At), HandedInBy: row.By,
		DecidedBy: row.DecidedBy, Reason: row.Reason, Submission: office.Submission{Kind: office.ApplicationKind(row.Kind), Holder: row.Holder, Name: row.Name},
	}
	err := json.Unmarshal([]byte(row.Facts), &a.Facts)
	if err := errors.Join(err, json.Unmarshal([]byte(row.Request), &request)); err != nil {
		return a, fmt.Errorf("read application %d: %w: %w", row.Number, database.ErrDamaged, err)
	}
	a.Guests, a.Order = request.Guests, request.Order
	if row.Decided != 0 {
		a.Decided = time.UnixMilli(row.Decided)
	}
	return a, nil
}

func (s approvals) List(ctx context.Context, f office.ApplicationFilter) ([]office.Application, error) {
	rows, err := s.db.Applications(ctx, database.ApplicationFilter{Kind: string(f.Kind), State: string(f.State), Holder: f.Holder, After: f.After, Before: f.Before, Limit: f.Limit})
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	out := make([]office.Application, 0, len(rows))
	for i := range rows {
		a, err := officeApplication(&rows[i])
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func (s approvals) Photo(ctx context.Context, number int64) ([]byte, error) {
	row, err := s.db.Application(ctx, number)
	if errors.Is(err, database.ErrNotFound) || err == nil && !row.HasPhoto {
		return nil, office.Refuse(office.ErrNotFound, "Application %d has no photo any more.", number)
	}
	return row.Photo, err
}

func (s approvals) Decide(ctx context.Context, by string, d office.Decision) (office.Application, error) {
	if d.Reason = strings.TrimSpace(d.Reason); d.Reason == "" && !d.Approve {
		return office.Application{}, office.Refuse(office.ErrInvalid, "Give a reason: the holder is told.")
	}
	a, err := s.Find(ctx, d.Number)
	if err != nil {
		return a, err
	}
	x := &database.Decision{By: by, At: s.config.Now().UnixMilli()}
	if d.Approve && a.State == office.ApplicationOpen {
		if err := s.stillHere(ctx, a.Holder); err != nil {
			return a, err
		}
		if x, err = s.approval(by, &a.Submission); err != nil {
			return a, err
		}
	}
	x.Number, x.Approve, x.Reason = d.Number, d.Approve, d.Reason
	if x.Letters, err = s.decided(ctx, by, &a, d); err != nil {
		return a, err
	}
	_, err = s.db.Decide(ctx, *x)
	switch {
	case errors.Is(err, database.ErrConflict):
		return a, s.decidedAlready(ctx, d.Number)
	case errors.Is(err, database.ErrDayFull):
		return a, office.Refuse(office.ErrConflict, "All passes of %s are issued; reject the request, or ask for another day.", a.Order.Day)
	case err != nil:
		return a, signerAway(fmt.Errorf("decide application: %w", err))
	}
	s.posted()
	return s.Find(ctx, d.Number)
}

// decidedAlready tells the second of two people what the first decided.
func (s approvals) decidedAlready(ctx context.Context, number int64) error {
	a, err := s.Find(ctx, number)
	if err != nil {
		return err
	}
	return office.Refuse(office.ErrConflict, "Application %d was %s by %s at %s.", number, a.State, a.DecidedBy, a.Decided.In(s.location).Format(time.TimeOnly))
}

// holders is the API's office.Holders.
type holders struct{ *central }

// maxReason bounds a reason, in bytes.
const maxReason = 800

func (s holders) Look(ctx context.Context, by string, number int64, reason string) (p office.Face, err error) {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason {
		return p, office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: it is written down who looked and why.")
	}
	rows, err := records{s.central}.Passages(ctx, office.PassageFilter{After: number - 1, Limit: 1})
	if err != nil {
		return p, err
	}
	if len(rows) == 0 || rows[0].Number != number || rows[0].Entry.Kind == 0 {
		return p, office.Refuse(office.ErrNotFound, "Passage %d is not of a pass.", number)
	}
	p.Passage = rows[0]
	if p.Pass, err = (passes{s.central}).Find(ctx, rows[0].Entry.Pass); err != nil {
		return p, err
	}
	// Written down before anything is shown: who looks and then loses the line has looked.
	if err := s.db.Audit(ctx, s.config.Now().UnixMilli(), by, "see_person", fmt.Sprintf("passage %d, pass %s", number, p.Pass.ID()), reason); err != nil {
		return office.Face{}, fmt.Errorf("write down who looked: %w", err)
	}
	return p, s.person(ctx, &p)
}

// person fills in the holder's name and photo.
func (s holders) person(ctx context.Context, p *office.Face) error {
	p.Guest = p.Pass.GuestName
	card, err := s.db.ECard(ctx, p.Pass.HolderName)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("find holder: %w", err)
	}
	p.Name = card.Name
	if p.Pass.Kind == pass.Guest {
		return nil // the holder's face is not the guest's
	}
	picture, err := s.db.Photo(ctx, p.Pass.HolderName)
	if errors.Is(err, database.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find photo: %w", err)
	}
	p.JPEG, p.Taken = picture.JPEG, time.UnixMilli(picture.At)
	return nil
}
