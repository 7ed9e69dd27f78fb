package register

import (
	"net/mail"
	"strings"
)

// maxAddress bounds a mail address in bytes: RFC 5321.
const maxAddress = 254

// ParseAddress reads a mail address as it is typed, and returns it with the domain
// in small letters. It has ASCII letters alone: of others two look like one, or are
// folded into one (the K of Kelvin, the long s), and mail goes somewhere else than
// people, or programs, compare. A domain is a name with a dot, no number of a machine.
func ParseAddress(typed string) (address string, ok bool) {
	address = strings.TrimSpace(typed)
	if len(address) > maxAddress || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", false
	}
	a, err := mail.ParseAddress(address)
	if err != nil || a.Name != "" || a.Address != address {
		return "", false
	}
	at := strings.LastIndexByte(address, '@')
	domain := strings.ToLower(address[at+1:])
	named := !strings.ContainsFunc(domain, func(r rune) bool { return r != '.' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if !named || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") {
		return "", false
	}
	return address[:at+1] + domain, true
}

// SameAddress reports whether two addresses are one mailbox, as far as every server
// sees it so. One that is no address is the same as none.
func SameAddress(a, b string) bool {
	a, good := ParseAddress(a)
	b, also := ParseAddress(b)
	return good && also && strings.EqualFold(a, b)
}

// Mailbox is what letters to an address are counted by: what many servers deliver to
// one mailbox is one, name+whatever@ too.
func Mailbox(address string) string {
	local, domain, _ := strings.Cut(strings.ToLower(address), "@")
	name, _, _ := strings.Cut(local, "+")
	return name + "@" + domain
}
