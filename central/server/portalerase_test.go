package server

import (
	"encoding/json"
	"errors"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/register"
)

// fate is what becomes of what a table has of a holder.
type fate struct {
	stays string // the words of the page that say so; "": it goes
	taken string // what of it stands in the file that the holder takes away
	apart string // why nothing does
}

// Why something is not in the file.
const (
	isSecret  = "hashes and sealed secrets, of no use to anybody"
	isAudit   = "who did what is shown by the office"
	isCounted = "it only counts, or refers to what is in the file"
)

// The words of the page about what stays.
const (
	staysRegister = "Your entry in the campus register."
	staysNetID    = "A NetID with its NetPassword and personal address"
	staysPasses   = "Passes with the names of guests, and passages"
	staysLog      = "The office's log of who did what"
)

// fates has every table that has something of a holder. A table that is neither here nor
// in impersonal fails the test.
func fates() map[string]fate {
	return map[string]fate{
		"accounts": {"", xylo.email, ""}, "account_codes": {"", "", isSecret}, "account_changes": {"", "xylo-new@p-xylo.example", ""}, "account_links": {"", "xylo-subject of p-xylo", ""},
		"account_passkeys": {"", "Xylo phone", ""}, "account_sessions": {"", `"Method": "mail"`, ""}, "account_profiles": {"", "Xylo Works", ""},
		"photos": {"", `"photo_jpeg"`, ""}, "ecards": {"", `"ecard": {`, ""}, "applications": {"", "Xylo Waiting", ""}, "application_passes": {"", "", isCounted},
		"card_passes": {"", "", isCounted}, "guest_links": {"", "", isSecret}, "netid_flows": {"", "", isSecret},
		"openid_sessions": {"", `"sign_ins"`, ""}, "openid_codes": {"", "", isSecret}, "openid_grants": {"", "", isSecret}, "openid_tokens": {"", "", isSecret},

		"outbox": {staysNetID, `"confirm_address"`, ""},
		"netids": {staysNetID, "mxyloanna", ""}, "netid_passwords": {staysNetID, "", isSecret},
		"passes": {staysPasses, "Xylo Guest", ""}, "pass_words": {staysPasses, "", isCounted},
		"register_persons": {staysRegister, "XYLOANNA", ""}, "register_cards": {staysRegister, "71234567", ""}, "register_degrees": {staysRegister, "BSc", ""}, "register_netids": {staysRegister, "sxylo", ""},
		"register_words": {staysRegister, "", isCounted}, "register_merges": {staysRegister, "", isAudit}, "register_merged": {staysRegister, "", isAudit}, "register_apart": {staysRegister, "", isAudit},
		"audit": {staysLog, "", isAudit},
	}
}

// impersonal are the tables that have nothing of a holder, or only what the office put
// into a file of its own, which it keeps for days.
func impersonal() []string {
	return []string{"audit_anchors", "days", "feed_log", "feed_base", "documents", "lanes", "removed_certificates", "enrol_tokens", "lane_applied", "journals", "entries", "alarms", "api_tokens",
		"supervisor_codes", "supervisor_uses", "supervisor_read", "journal_gaps", "ledger_facets", "ledger_hours", "presence", "journal_erased", "search_filled", "centrals", "leases", "revisions", "key_files",
		"people", "person_invitations", "person_passkeys", "person_recovery", "person_openid", "sessions", "sign_in_tries", "sign_in_spent", "imports", "import_rows", "bulks", "bulk_passes",
		"commands", "entrances", "lane_places", "retired_lanes", "request_keys", "webhooks", "webhook_deliveries", "register_syncs", "register_rows", "openid_keys"}
}

// tells reports whether a row has something of the holder of this test.
func tells(row map[string]string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(row)), func(v string) bool { return strings.Contains(strings.ToLower(v), "xylo") })
}

// TestExportAndErase: a holder with something in every table takes it all away, and
// erases it. What stays is what the page says; a table that nobody has thought of fails.
func TestExportAndErase(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, where string) {
		w := openWorld(t, where)
		w.inhabit(xylo, bob)
		b := w.tab().join(xylo)
		has := b.furnish(xylo)
		w.furnishAlias()
		other := w.tab().join(bob)
		before := databasetest.Rows(t, w.config.DatabaseName())
		for table, rows := range before {
			_, known := fates()[table]
			if known == slices.Contains(impersonal(), table) {
				t.Errorf("nobody has thought of what becomes of table %s when a holder erases their data", table)
			}
			if known && len(rows) == 0 {
				t.Errorf("the test has no row for table %s", table)
			}
			for _, row := range rows {
				if !known && tells(row) {
					t.Errorf("%s has something of a holder: %v", table, row)
				}
			}
		}
		file := b.post("/profile/data", url.Values{}).Body.String()
		page := html.UnescapeString(b.get("/profile/erase").Body.String())
		w.leads(b.post("/profile/erase", url.Values{"sure": {"1"}}), "/sign-in")
		after := databasetest.Rows(t, w.config.DatabaseName())
		for table, f := range fates() {
			w.checkFate(table, f, before[table], after[table], file, page)
		}
		if out := other.get("/profile"); out.Code != http.StatusOK {
			t.Errorf("somebody else is signed out: %d", out.Code)
		}
		w.beginAnew(has)
	})
}

// furnishAlias has an entry of the register with an account and a photo of its own, that
// the office merges into the holder's.
func (w *world) furnishAlias() {
	t := w.t
	t.Helper()
	twin := xylo
	twin.id, twin.personal, twin.email, twin.given = "p-xylo-2", "X9999999", "xylo2@old.example", "Maria Second"
	w.inhabit(twin)
	w.approval(false, false)
	b := w.tab().join(twin)
	w.leads(b.post("/profile/contact", url.Values{"phone": {"+852 2345 6789"}, "address": {"2 Xylo Road"}, "country": {"Xyloland"}}), "/profile")
	w.leads(b.photo(), "/card")
	must(t, w.db.KeepApart(t.Context(), register.Apart{A: xylo.id, B: bob.id, Reason: "two", By: "user:lee", At: w.config.Now()}))
	_, err := registry{w.central}.Merge(t.Context(), "user:lee", xylo.id, twin.id, "one xylo")
	must(t, err)
}

func (w *world) checkFate(table string, f fate, before, after []map[string]string, file, page string) {
	t := w.t
	t.Helper()
	left := slices.DeleteFunc(slices.Clone(after), func(row map[string]string) bool { return !tells(row) })
	switch {
	case f.stays == "" && len(left) > 0:
		t.Errorf("%s still has %v", table, left)
	case f.stays == "" && slices.Contains([]string{isSecret, isCounted}, f.apart) && len(after) > 0:
		t.Errorf("%s still has %d rows", table, len(after))
	case f.stays != "" && len(left) == 0:
		t.Errorf("%s has nothing left, and the page says that it has", table)
	case !strings.Contains(page, f.stays):
		t.Errorf("%s stays, and the page does not say %q", table, f.stays)
	case (f.taken == "") == (f.apart == ""):
		t.Errorf("%s is either in the file, or there is a reason why not", table)
	case !strings.Contains(file, f.taken):
		t.Errorf("what %s has is not in the file: %q", table, f.taken)
	}
	if table != "outbox" {
		return
	}
	for _, row := range left {
		if row["by"] != "netid" {
			t.Errorf("a mail stays that is not of the NetID: %v", row)
		}
	}
	if len(left) >= len(before) {
		t.Error("all mails stay")
	}
}

// beginAnew is the holder the same day: what was shown opens no gate, the guest's link
// leads nowhere, the NetID is there, and a new card has one code, which is another.
func (w *world) beginAnew(has belongings) {
	t := w.t
	t.Helper()
	status := func(id pass.ID) link.Status { return w.feed.View().State.Day(id.Day).Status(id.Index) }
	if status(has.code) != link.Revoked || status(has.guest) != link.Revoked {
		t.Errorf("the codes are %v and %v for lanes", status(has.code), status(has.guest))
	}
	if out := w.tab().post("/g", url.Values{"token": {has.token}}); out.Code != http.StatusNotFound {
		t.Errorf("the guest's link: %d %s", out.Code, out.Body)
	}
	if _, err := w.netids.Check(t.Context(), has.netID, netPassword, nil); err != nil {
		t.Errorf("the NetID: %v", err)
	}
	if err := w.central.eraseHolder(t.Context(), xylo.id); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("erased twice: %v", err)
	}
	again := xylo
	again.email = "xylo@home." + xylo.id + ".example" // the NetID's, which is known still
	b := w.tab().join(again)
	w.approval(false, false)
	if c, err := (cards{w.central}).Card(t.Context(), xylo.id, portal.English); err != nil || c.State != card.None || c.Newest != "" {
		t.Errorf("%+v, %v", c, err)
	}
	w.leads(b.post("/profile/contact", url.Values{"phone": {"+852 2345 6789"}, "address": {"1 Road"}, "country": {"Country"}}), "/profile")
	w.leads(b.photo(), "/card")
	fresh := w.codes(t, xylo.id, 1)[0].Pass.ID()
	if fresh == has.code || status(fresh) != link.Good || status(has.code) != link.Revoked {
		t.Errorf("the new code is %v, %v; the old one %v, %v", fresh, status(fresh), has.code, status(has.code))
	}
	var e account.Export
	if err := json.Unmarshal(b.post("/profile/data", url.Values{}).Body.Bytes(), &e); err != nil || len(e.NetIDs) != 1 || len(e.Requests) != 1 || len(e.Profile.Career) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}
