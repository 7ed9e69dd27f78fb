package server

import (
	"turnstile/central/console"
	approvalpages "turnstile/central/console/approvals"
	"turnstile/central/console/holder"
	passpages "turnstile/central/console/passes"
	registerpages "turnstile/central/console/register"
)

// officePages are the console's pages of passes and approvals.
func (s *central) officePages() []console.Route {
	list := passpages.Routes(passpages.Deps{Passes: passes{s}, Bulk: bulk{s}, Imports: imports{s}, Mails: mails{s}, Rules: rules{s}, Feed: feed{s}})
	list = append(list, approvalpages.Routes(approvalpages.Deps{Approvals: approvals{s}, Policies: approvals{s}, Bulk: bulk{s}, Rules: rules{s}, Addresses: addresses{s}})...)
	list = append(list, registerpages.Routes(registerpages.Deps{Register: registry{s}, Syncs: registry{s}, History: registry{s}, Merges: registry{s}, Apart: registry{s}, Cards: ecards{s}, NetIDs: personNetIDs{s}})...)
	return append(list, holder.Routes(holders{s})...)
}
