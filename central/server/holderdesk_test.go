package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/netid"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/register"
	"turnstile/central/rights"
)

// populateHolders has two with an eCard, one of them withdrawn, NetIDs, and two changes
// of addresses that wait.
func (s *opened) populateHolders(t *testing.T) {
	t.Helper()
	s.openHolderServices(t)
	approve := approvals{s.central}
	for n, id := range []string{"A2", "A1"} {
		a, err := approve.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyECard, Holder: id, Name: "<b>Chan</b>", Photo: face(t)})
		must(t, err)
		_, err = approve.Decide(t.Context(), "user:admin", office.Decision{Number: a.Number, Approve: true})
		must(t, err)
		must(t, s.db.AdoptNetID(t.Context(), database.NetID{ID: "chan" + id[1:], Person: id, Card: "student", Name: "Chan " + id, NameKey: id, Alias: "chan." + id, Email: "chan@mail.example", Created: 1}))
		s.askChange(t, id, fmt.Sprintf("new%d@mail.example", n))
	}
	_, err := ecards{s.central}.Withdraw(t.Context(), "user:admin", office.CardWithdrawal{Person: "A1", Reason: "<b>lent</b>"})
	must(t, err)
}

// openHolderServices opens what a central with a portal has.
func (s *opened) openHolderServices(t *testing.T) {
	t.Helper()
	s.config.Portal.Listen = "127.0.0.1:0"
	must(t, s.listenPortal())
	must(t, s.openNetID(t.Context()))
	must(t, s.openHolders())
}

// askChange has a person ask for another address, who cannot read the one before.
func (s *opened) askChange(t *testing.T, person, address string) database.AddressChange {
	t.Helper()
	typed := database.Typed{Browser: []byte(person), Purpose: "change", Code: []byte("right")}
	now := s.config.Now().UnixMilli()
	must(t, s.db.AddCodes(t.Context(), []database.AccountCode{{Browser: typed.Browser, Purpose: typed.Purpose, Person: person, Address: address, Detail: address, Code: typed.Code, Tries: 5, Expires: now + 60_000}}))
	old := person + "@old.example"
	c, err := s.db.ProposeChange(t.Context(), typed, database.Account{Address: old, Folded: old, Handle: person, Lang: "en", Created: now}, database.AddressChange{ID: "CHANGE" + person, At: now})
	must(t, err)
	return c
}

// TestWithdrawnCard: a card that the office takes back ends everywhere at once, also
// for who begins anew, and comes back with its passes.
func TestWithdrawnCard(t *testing.T) {
	s := openWithPortal(t, configure(t))
	s.activate(t, "anna")
	s.activate(t, "bob")
	desk, back, ctx := cards{s.central}, ecards{s.central}, t.Context()
	code := s.codes(t, "anna", 1)[0].Pass.ID()
	others := s.codes(t, "bob", 1)[0].Pass.ID()
	listed := func(id pass.ID) link.Status { return s.feed.View().State.Day(id.Day).Status(id.Index) }
	before := s.feed.View().State.Seq
	c, err := back.Withdraw(ctx, "user:lee", office.CardWithdrawal{Person: "anna", Reason: "Lent to <somebody>."})
	if err != nil || c.Passes != 1 || c.Withdrawn.IsZero() || s.feed.View().State.Seq != before+1 || listed(code) != link.Revoked || listed(others) != link.Good {
		t.Fatalf("%+v, %v, event %d", c, err, s.feed.View().State.Seq-before)
	}
	if list, err := desk.Codes(ctx, "anna"); err != nil || list.Standing != card.Gone || len(list.List) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if w := s.holder("GET", "/card/codes", "anna", "", "Accept", "application/json"); !strings.Contains(w.Body.String(), `"standing":"gone"`) {
		t.Errorf("%s", w.Body)
	}
	if w := s.holder("GET", "/card/code", "anna", ""); w.Header().Get("Location") != "/card" {
		t.Errorf("the code leads to %q", w.Header().Get("Location"))
	}
	if w := s.holder("GET", "/card", "anna", ""); !strings.Contains(w.Body.String(), "Lent to &lt;somebody&gt;.") || !strings.Contains(w.Body.String(), "data-forget-code") || strings.Contains(w.Body.String(), "photo.jpg") {
		t.Errorf("%s", w.Body)
	}
	if _, err := desk.Photo(ctx, "anna"); err == nil {
		t.Error("the identification still has its photo")
	}
	if _, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t), Type: "image/jpeg"}); !isRefused(err, office.ErrInvalid) {
		t.Errorf("beginning anew: %v", err)
	}
	if _, err := (approvals{s.central}).HandIn(ctx, "portal", office.Submission{Kind: office.ApplyGuests, Holder: "anna", Name: "Anna", Guests: []string{"One"}, Order: office.Order{Day: s.feed.Today(), Zones: 1, Length: 24 * time.Hour}}); !isRefused(err, office.ErrInvalid) {
		t.Errorf("guests: %v", err)
	}
	if c, err := desk.Card(ctx, "bob", portal.English); err != nil || c.State != card.Active {
		t.Errorf("somebody else's: %+v, %v", c, err)
	}
	if c, err = back.Return(ctx, "user:lee", "anna"); err != nil || c.Passes != 1 || listed(code) != link.Good {
		t.Errorf("given back: %+v, %v", c, err)
	}
	if got := s.codes(t, "anna", 1)[0].Pass.ID(); got != code {
		t.Errorf("another code: %v, %v", got, code)
	}
	log, err := s.db.AuditActions(ctx)
	if all := strings.Join(log, " "); err != nil || !strings.Contains(all, "ecard_withdraw") || !strings.Contains(all, "ecard_return") {
		t.Errorf("the audit has %v, %v", log, err)
	}
}

// TestHolderDesk: the office decides about addresses, and ends NetIDs of the person
// whose page it is on.
func TestHolderDesk(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	ctx := t.Context()
	desk, names := addresses{s.central}, personNetIDs{s.central}
	if list, err := desk.Waiting(ctx); err != nil || len(list) != 0 {
		t.Errorf("without a portal: %+v, %v", list, err)
	}
	if err := desk.Decide(ctx, "user:lee", office.AddressDecision{ID: "x", Approve: true}); !isRefused(err, office.ErrConflict) {
		t.Errorf("without a portal: %v", err)
	}
	_, bad, err := registry{s.central}.Put(ctx, "test", register.Persons, []map[string]string{{"id": "P1", "surname": "Chan", "given": "Tai Man"}, {"id": "P2", "surname": "Lee"}}, false)
	if must(t, err); len(bad) > 0 {
		t.Fatal(bad)
	}
	s.openHolderServices(t)
	s.askChange(t, "P1", "chan@new.example")
	s.askChange(t, "P2", "lee@new.example")
	list, err := desk.Waiting(ctx)
	if err != nil || len(list) != 2 || list[0].Name == "" || strings.Contains(fmt.Sprint(list), "chan@") || !strings.Contains(fmt.Sprint(list), "@new.example") {
		t.Errorf("%+v, %v", list, err)
	}
	for _, reason := range []string{" ", "two\nlines", strings.Repeat("x", 201)} {
		if err := desk.Decide(ctx, "user:lee", office.AddressDecision{ID: "CHANGEP1", Reason: reason}); !isRefused(err, office.ErrInvalid) {
			t.Errorf("reason %.9q: %v", reason, err)
		}
	}
	must(t, desk.Decide(ctx, "user:lee", office.AddressDecision{ID: "CHANGEP1", Reason: "Not at the counter."}))
	must(t, desk.Decide(ctx, "user:lee", office.AddressDecision{ID: "CHANGEP2", Approve: true}))
	for _, id := range []string{"CHANGEP1", "CHANGEP2"} {
		if err := desk.Decide(ctx, "user:lee", office.AddressDecision{ID: id, Approve: true}); !isRefused(err, office.ErrConflict) {
			t.Errorf("%s again: %v", id, err)
		}
	}
	if c, open, err := s.accounts.OpenChange(ctx, "P2"); err != nil || !open || c.State != database.ChangeDue {
		t.Errorf("%+v %v %v", c, open, err)
	}
	must(t, s.db.AdoptNetID(ctx, database.NetID{ID: "chan", Person: "P1", Card: "student", Name: "Chan", NameKey: "chan", Alias: "chan", Email: "chan@mail.example", Created: 1}))
	if list, err := names.Of(ctx, "P1"); err != nil || len(list) != 1 || list[0].ID != "chan" || strings.Contains(list[0].Email, "chan@") || !list[0].Ended.IsZero() || !list[0].Changed.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	if err := names.End(ctx, "user:lee", "P2", "chan", "left"); !isRefused(err, office.ErrNotFound) {
		t.Errorf("another's: %v", err)
	}
	if err := names.End(ctx, "user:lee", "P1", "chan", ""); !isRefused(err, office.ErrInvalid) {
		t.Errorf("without a reason: %v", err)
	}
	must(t, names.End(ctx, "user:lee", "P1", "chan", "left"))
	if err := names.End(ctx, "user:lee", "P1", "chan", "left"); !isRefused(err, office.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if list, err := names.Of(ctx, "P1"); err != nil || len(list) != 1 || list[0].Ended.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.netids.Profile(ctx, "chan"); !errors.Is(err, netid.Unknown) {
		t.Errorf("the ended one is in use: %v", err)
	}
	for _, role := range rights.Roles() {
		if may := role.Permissions(); may.Has(rights.ApplicationsJudge) && !may.Has(rights.RegisterRead) {
			t.Errorf("%s may withdraw eCards, and does not see whose", role)
		}
	}
}
