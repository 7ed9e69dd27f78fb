package database

import (
	"errors"

	"turnstile/central/pass"
)

// addressesOf selects the addresses that a person, $1, has proved to read or that the
// registry has, as they were typed and folded. With those alone that somebody typed the
// letters of others could be made to vanish.
const addressesOf = `(SELECT address FROM accounts WHERE person = $1 UNION SELECT folded FROM accounts WHERE person = $1
	UNION SELECT old FROM account_changes WHERE person = $1 UNION SELECT address FROM account_changes WHERE person = $1 UNION SELECT folded FROM account_changes WHERE person = $1
	UNION SELECT email FROM register_persons WHERE id = $1)`

// passesOf selects the passes that a person, $1, answers for.
const passesOf = `(SELECT day, idx FROM passes WHERE holder = $1)`

// erased is what goes of a person, $1, with the account; addresses are needed first,
// and accounts are what others refer to.
var erased = []string{
	`DELETE FROM outbox WHERE kind <> 'pass' AND by <> 'netid' AND address <> '' AND (address IN ` + addressesOf + ` OR LOWER(address) IN ` + addressesOf + `)`,
	`DELETE FROM outbox WHERE kind = 'confirm_address' AND by = 'portal' AND address IN (SELECT address FROM account_codes WHERE person = $1)`,
	`DELETE FROM outbox WHERE kind = 'pass' AND (day, idx) IN ` + passesOf,
	`DELETE FROM outbox WHERE by = 'holder:' || $1`,
	`DELETE FROM account_codes WHERE person = $1 OR address <> '' AND address IN ` + addressesOf,
	`DELETE FROM account_sessions WHERE person = $1`,
	`DELETE FROM account_changes WHERE person = $1`,
	`DELETE FROM account_links WHERE person = $1`,
	`DELETE FROM account_passkeys WHERE person = $1`,
	`DELETE FROM account_profiles WHERE person = $1`,
	`DELETE FROM accounts WHERE person = $1`,
	`DELETE FROM photos WHERE holder = $1`,
	`DELETE FROM ecards WHERE holder = $1 AND withdrawn = 0`,
	`UPDATE ecards SET name = '' WHERE holder = $1`,
	`DELETE FROM guest_links WHERE (day, idx) IN ` + passesOf,
	`DELETE FROM application_passes WHERE application IN (SELECT number FROM applications WHERE holder = $1)`,
	`UPDATE applications SET decided_by = '' WHERE holder = $1 AND decided_by = 'holder:' || $1`,
}

// EraseAccount deletes what central has of a holder by their own wish, also under ids
// that were merged into theirs: account, ways to sign in, sessions, profile, changes of
// the address, letters, photo, eCard, guests' links, and what they asked the office
// for. Of an eCard that is withdrawn stays that it is: nobody gets it back by beginning
// anew. A NetID stays, without its sessions: it is more than the portal's.
//
// Passes and passages stay until the retention takes them. Those from a day on, of the
// guests too, are returned: the caller ends them in this transaction, and a holder who
// begins anew gets a code of their own again. ErrNotFound without an account.
func (t *FeedTx) EraseAccount(person string, from pass.Day, at int64) ([]Pass, error) {
	var found string
	if err := t.tx.QueryRowContext(t.ctx, `SELECT person FROM accounts WHERE person = $1`, person).Scan(&found); err != nil {
		return nil, named(err)
	}
	ids, err := all(t.ctx, t.tx, func(r rowScanner) (id string, err error) { return id, r.Scan(&id) }, `SELECT id FROM register_persons WHERE head = $1 AND head <> ''`, person)
	if err != nil {
		return nil, err
	}
	if err := t.endNetIDs(person); err != nil {
		return nil, named(err)
	}
	for _, id := range append(ids, person) {
		if err := t.erase(id, from, at); err != nil {
			return nil, named(err)
		}
	}
	if err := t.Audit(at, byHolder(person), "account_erase", person, ""); err != nil {
		return nil, named(err)
	}
	return t.PassesOf(person, from, true)
}

// endNetIDs signs a person out wherever the NetIDs signed them in.
func (t *FeedTx) endNetIDs(person string) error {
	list, err := netIDsOf(t.ctx, t.tx, person)
	for _, n := range list {
		err = errors.Join(err, endOpenID(t.ctx, t.tx, n.ID), endFlows(t.ctx, t.tx, n.ID))
	}
	return err
}

func (t *FeedTx) erase(id string, from pass.Day, at int64) error {
	if _, err := t.tx.ExecContext(t.ctx, `UPDATE applications SET state = 'rejected', decided = $1, decided_by = 'central' WHERE holder = $2 AND state = 'open'`, at, id); err != nil {
		return err
	}
	for _, gone := range erased {
		if _, err := t.tx.ExecContext(t.ctx, gone, id); err != nil {
			return err
		}
	}
	if _, err := t.tx.ExecContext(t.ctx, `UPDATE applications SET holder = '', name = '', by = '', facts = 'null', request = 'null', reason = '', photo = $2 WHERE holder = $1`, id, []byte{}); err != nil {
		return err
	}
	if _, err := t.tx.ExecContext(t.ctx, `DELETE FROM card_passes WHERE holder = $1 AND day >= $2`, id, from); err != nil {
		return err
	}
	return endFlows(t.ctx, t.tx, PersonSubject(id))
}
