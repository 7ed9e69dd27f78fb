package rights

import (
	"errors"
	"slices"
	"testing"
)

// TestTable holds roles to what they must and must never be able to do.
func TestTable(t *testing.T) {
	never := map[Role][]Permission{
		Viewer:   {PassesIssue, PassesCode, PassesStatus, LanesOpen, ZonesMode, PassagesExport, PhotosSee, RulesWrite, PeopleRead, AuditRead, RegisterRead},
		Issuer:   {ApplicationsJudge, LanesManage, LanesOpen, ZonesMode, RulesWrite, PeopleManage, AuditRead, PhotosSee, KeysManage, RegisterWrite, RegisterMerge},
		Approver: {PassesIssue, PassesCode, LanesOpen, ZonesMode, RulesWrite, PeopleManage, RegisterWrite},
		Security: {PassesIssue, PassesCode, LanesManage, RulesWrite, PeopleManage, PassagesExport, ApplicationsJudge, RegisterRead},
		// An auditor changes nothing at all.
		Auditor: {PassesIssue, PassesCode, PassesStatus, PassesConfirm, ApplicationsWrite, ApplicationsJudge, LanesManage, LanesOpen, ZonesMode,
			RulesWrite, KeysManage, SupervisorManage, PeopleManage, WebhooksManage, RegisterWrite, RegisterMerge},
	}
	for role, list := range never {
		for _, p := range list {
			if role.Permissions().Has(p) {
				t.Errorf("%s has %s", role, p)
			}
		}
	}
	held := Set{}
	for _, r := range Roles() {
		s := r.Permissions()
		if len(s) < 5 {
			t.Errorf("%s may do %d things", r, len(s))
		}
		if r != Admin {
			held = append(held, s...)
		}
	}
	for _, p := range All() {
		if !Admin.Permissions().Has(p) {
			t.Errorf("admin lacks %s", p)
		}
	}
	if len(held) < 30 || Role("root").Permissions() != nil || Set(All()).Has("") {
		t.Error("an unknown role or permission is worth something")
	}
	// A role's permissions are a copy: changing them changes nobody's rights.
	s := Viewer.Permissions()
	s[0] = PeopleManage
	if Viewer.Permissions().Has(PeopleManage) {
		t.Error("the table can be changed")
	}
}

func TestParse(t *testing.T) {
	s, err := Parse(" passes.read,lanes.read  passes.read ")
	if err != nil || !slices.Equal(s, Set{PassesRead, LanesRead}) || s.String() != "passes.read lanes.read" {
		t.Error(s, err)
	}
	if _, err := Parse("passes.read passes.*"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}
