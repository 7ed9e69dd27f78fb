package provider

import "testing"

// For the tests of package provider_test: a central that has these pages cannot be
// imported from here.
var (
	Files = &files
	Words = words
)

// Campus serves a provider, and returns its address and where a client sends
// browsers of a language to.
func Campus(t *testing.T) (url string, request func(lang string) string) {
	c := newCampus(t)
	b := c.browser(t)
	return c.url, func(lang string) string { return b.leave(param("ui_locales", lang)) }
}
