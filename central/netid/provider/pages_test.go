package provider_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"turnstile/central/console/consoletest"
	"turnstile/central/netid/provider"
)

// TestPages: the pages in a browser, on a phone, in both languages and colours; axe
// finds nothing, and signing in works without scripts.
func TestPages(t *testing.T) {
	campus, request := provider.Campus(t)
	b := consoletest.Browse(t, campus)
	b.Size(390, 844)
	leave, err := url.Parse(request("zh-HK"))
	if err != nil {
		t.Fatal(err)
	}
	b.Open(leave.RequestURI())
	b.WaitText("以 NetID 登入")
	b.Axe()
	if words := b.Foreign(); len(words) > 0 && strings.Join(words, " ") != "NetID NetPassword" {
		t.Errorf("the Chinese page has %q", words)
	}
	if leave, err = url.Parse(request("en")); err != nil {
		t.Fatal(err)
	}
	b.Scripts(false)
	b.Open(leave.RequestURI())
	b.Fill("#netid", "tmchan")
	b.Fill("#password", "wrong")
	b.Click("main form button")
	b.WaitText("do not fit together")
	b.Scripts(true)
	b.Axe()
	b.Shot("netid-signin")
	b.Open(provider.Path + "/authorize?client_id=nobody")
	b.WaitText("cannot go on")
	b.Axe()
	b.Open(provider.Path + "/logout")
	b.WaitText("You are signed out")
	b.Axe()
}

// TestChinese: each text of the pages has its Chinese.
func TestChinese(t *testing.T) {
	seen := 0
	entries, err := provider.Files.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := provider.Files.ReadFile("pages/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.T "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			if seen++; provider.Words[m[1]] == "" {
				t.Errorf("%s: %q has no Chinese", e.Name(), m[1])
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d texts", seen)
	}
}
