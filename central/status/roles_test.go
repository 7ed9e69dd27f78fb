package status

import (
	"path/filepath"
	"testing"

	"turnstile/central/issuer"
	"turnstile/central/link"
)

// followed opens what the broker keeps with what KEYS delegates to, as a lane
// does that has nothing but the root.
func (d *desk) followed(t *testing.T) *link.Delegation {
	t.Helper()
	m := must[*link.KeysMessage](t)(link.ParseKeys(d.broker.kept(d.topics.Keys())))
	by := must[*link.Delegation](t)(m.OpenDelegation(site, d.issuer.Root()))
	must[*link.Keyset](t)(m.OpenKeyset(site, by))
	status, keyset := link.KeysOf(by.Status...), link.KeysOf(by.Keyset...)
	head := must[*link.Head](t)(link.Open[link.Head](d.broker.kept(d.topics.Head()), link.TypeHead, site, status, link.MaxHead))
	must[*link.Rules](t)(link.Open[link.Rules](d.broker.kept(d.topics.Rules()), link.TypeRules, site, status, link.MaxDocument))
	must[*link.GateKeys](t)(link.Open[link.GateKeys](d.broker.kept(d.topics.GateKeys("N1")), link.TypeGateKeys, site, keyset, link.MaxDocument))
	if len(head.Snapshots) != 3 {
		t.Errorf("%d open days", len(head.Snapshots))
	}
	for _, s := range head.Snapshots {
		n := must[*link.Snapshot](t)(link.Open[link.Snapshot](d.broker.kept(d.topics.Day(s.Day)), link.TypeSnapshot, site, status, link.MaxDocument))
		if n.Hash != s.Hash || n.Seq != head.SnapSeq {
			t.Errorf("the head names another snapshot of %s", s.Day)
		}
	}
	return by
}

// TestRolesChange: everything that the broker keeps is signed again by the new
// keys, KEYS before all else; a feed whose stored lists the old key signed starts.
func TestRolesChange(t *testing.T) {
	d := newDesk(t)
	id := d.issue(t, d.Today())
	d.set(t, id, link.Revoked)
	if err := d.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := d.followed(t)
	change := func() {
		must[issuer.DelegationState](t)(issuer.NewRoles(issuer.Options{Dir: filepath.Join(d.data, "keys"), Site: site, Passphrase: []byte("correct horse"), Now: d.now()}))
	}
	change()
	d.broker.take()
	d.roll(t)
	if sent := d.broker.take(); len(sent) < 6 || sent[0].topic != d.topics.Keys() {
		t.Errorf("%d messages, and not the keys first", len(sent))
	}
	after := d.followed(t)
	if after.Version != before.Version+1 || after.Status[0].Equal(before.Status[0]) {
		t.Errorf("delegation %d", after.Version)
	}
	d.stop()
	change()
	must[*issuer.Issuer](t)(issuer.Open(filepath.Join(d.data, "keys"), site, []byte("correct horse"), d.now())) // takes them, and dies
	d.start(t)
	if err := d.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last := d.followed(t); last.Version != before.Version+2 {
		t.Errorf("delegation %d", last.Version)
	}
	if s := d.View().State.Refused(); s != 1 {
		t.Errorf("%d passes are revoked", s)
	}
}
