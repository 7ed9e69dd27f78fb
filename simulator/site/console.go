package site

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"turnstile/central/office"
)

// demoRoles lets whoever plays see every page of the console. A campus gives no
// one person all of them.
var demoRoles = []string{"admin", "issuer", "approver", "security", "auditor"}

// Console returns the link with which whoever opens it registers as name, who may
// do everything in central's console. It is good once; of a name that is there
// already it is the address at which to sign in.
func (s *Site) Console(ctx context.Context, name string) (string, error) {
	var invited office.AccountInvitationBody
	err := s.API.Do(ctx, http.MethodPost, "/people", map[string]any{"name": name, "roles": demoRoles}, &invited)
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusConflict {
		// Passkeys and cookies are bound to this name, not to the address.
		return strings.Replace(s.API.URL, "127.0.0.1", "localhost", 1) + "/office/", nil
	}
	return invited.URL, err
}
