// Package rights says who may do what: roles of people and of API tokens, the
// permissions they consist of, and the table between them.
package rights

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Permission is the right to one kind of deed; its text is part of the API.
type Permission string

// The permissions. Append; a renamed one would take rights from tokens that name it.
const (
	PassesRead        Permission = "passes.read"        // find and look at passes
	PassesIssue       Permission = "passes.issue"       // issue passes
	PassesCode        Permission = "passes.code"        // show, print and mail a pass's code
	PassesStatus      Permission = "passes.status"      // revoke, hold and release passes
	PassesConfirm     Permission = "passes.confirm"     // be the second person of a bulk revocation
	ApplicationsRead  Permission = "applications.read"  // look at eCard applications and guest requests
	ApplicationsWrite Permission = "applications.write" // hand in applications and requests: the portal
	ApplicationsJudge Permission = "applications.judge" // approve and reject them
	LanesRead         Permission = "lanes.read"         // see lanes, their state and their warnings
	LanesManage       Permission = "lanes.manage"       // enrol, rename, move, retire lanes, revoke certificates
	LanesOpen         Permission = "lanes.open"         // open a lane once
	ZonesMode         Permission = "zones.mode"         // lockdown, free passage, normal
	PassagesRead      Permission = "passages.read"      // read the ledger, occupancy, conflicts, alarms
	PassagesExport    Permission = "passages.export"    // take passages away as a file
	PhotosSee         Permission = "photos.see"         // see the holder's photo and name of one passage
	RulesRead         Permission = "rules.read"         // see the rules and their versions
	RulesWrite        Permission = "rules.write"        // change the rules and roll them back
	KeysRead          Permission = "keys.read"          // see public keys and the delegation
	KeysManage        Permission = "keys.manage"        // withdraw pass keys
	SupervisorManage  Permission = "supervisor.manage"  // issue, list and revoke supervisor codes
	PeopleRead        Permission = "people.read"        // see staff accounts and their roles
	PeopleManage      Permission = "people.manage"      // invite, change and end staff accounts and API tokens
	AuditRead         Permission = "audit.read"         // read, verify and export the audit log
	WebhooksManage    Permission = "webhooks.manage"    // register and remove webhooks
	AlarmsAcknowledge Permission = "alarms.acknowledge" // write down that somebody looked at an alarm
	MetricsRead       Permission = "metrics.read"       // read the metrics from another machine
	RegisterRead      Permission = "register.read"      // find people in the campus register
	RegisterWrite     Permission = "register.write"     // import and sync the register, take people out
	RegisterMerge     Permission = "register.merge"     // make one person of two, and undo it
)

// All lists every permission.
func All() []Permission {
	return []Permission{PassesRead, PassesIssue, PassesCode, PassesStatus, PassesConfirm, ApplicationsRead, ApplicationsWrite, ApplicationsJudge,
		LanesRead, LanesManage, LanesOpen, ZonesMode, PassagesRead, PassagesExport, PhotosSee, RulesRead, RulesWrite, KeysRead, KeysManage,
		SupervisorManage, PeopleRead, PeopleManage, AuditRead, WebhooksManage, AlarmsAcknowledge, MetricsRead,
		RegisterRead, RegisterWrite, RegisterMerge}
}

// Role is a named set of permissions.
type Role string

// The roles. Viewer is for programs that only look; the others are for people
// and programs alike.
const (
	Viewer   Role = "viewer"
	Issuer   Role = "issuer"
	Approver Role = "approver"
	Security Role = "security"
	Auditor  Role = "auditor"
	Admin    Role = "admin"
)

// Roles lists every role, the mightiest last.
func Roles() []Role { return []Role{Viewer, Issuer, Approver, Security, Auditor, Admin} }

// look is what everybody in the office may see.
var look = Set{PassesRead, LanesRead, PassagesRead, RulesRead, KeysRead, MetricsRead}

// Permissions returns what a role may do; nothing for an unknown one.
func (r Role) Permissions() Set {
	switch r {
	case Viewer:
		return look.with()
	case Issuer:
		return look.with(PassesIssue, PassesCode, PassesStatus, PassesConfirm, ApplicationsRead, ApplicationsWrite, RegisterRead)
	case Approver:
		return look.with(PassesConfirm, ApplicationsRead, ApplicationsJudge, RegisterRead, RegisterMerge)
	case Security:
		return look.with(PassesStatus, LanesOpen, ZonesMode, PhotosSee, AlarmsAcknowledge)
	case Auditor:
		return look.with(ApplicationsRead, PassagesExport, PeopleRead, AuditRead, RegisterRead)
	case Admin:
		return All()
	}
	return nil
}

// Set is some permissions.
type Set []Permission

func (s Set) with(more ...Permission) Set { return slices.Concat(s, more) }

// Has reports whether p is among them.
func (s Set) Has(p Permission) bool { return p != "" && slices.Contains(s, p) }

// ErrUnknown is what Parse refuses.
var ErrUnknown = errors.New("unknown permission")

// Parse reads permissions from words with spaces or commas between them.
func Parse(text string) (Set, error) {
	var s Set
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		p := Permission(word)
		if !slices.Contains(All(), p) {
			return nil, fmt.Errorf("%w: %.40q", ErrUnknown, word)
		}
		if !s.Has(p) {
			s = append(s, p)
		}
	}
	return s, nil
}

// String is the inverse of Parse.
func (s Set) String() string {
	words := make([]string, len(s))
	for i, p := range s {
		words[i] = string(p)
	}
	return strings.Join(words, " ")
}
