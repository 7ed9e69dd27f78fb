package guests_test

import (
	"strings"
	"testing"
	"time"

	"turnstile/central/pass"
	"turnstile/central/portal/guests"
	"turnstile/central/portal/portaltest"
)

// TestStates: the host's page says of each guest how far they have come, and since
// when; and of a request that nobody decided in time what to do now.
func TestStates(t *testing.T) {
	at := time.Date(2026, 11, 22, 14, 5, 59, 0, time.UTC)
	states := []guests.State{guests.Ready, guests.Sent, guests.Opened, guests.Arrived, guests.NotPassed, guests.Cancelled}
	words := []string{"ready to share", "sent 2026-11-22 14:05", "opened 2026-11-22 14:05", "arrived 2026-11-22 14:05", "at a gate, did not pass 2026-11-22 14:05", "cancelled 2026-11-22 14:05"}
	v := guests.Visit{Number: 1, Progress: guests.Approved, Day: today, Begin: time.Unix(today.UTC(), 0).UTC(), Purpose: "Dinner", Hours: "00:00–24:00"}
	for n, s := range states {
		g := guests.Guest{Name: string(s) + " guest", Pass: pass.ID{Day: today, Index: uint32(n)}, State: s, At: at, Link: "https://ecard.example/g#" + token}
		if s == guests.Ready {
			g.At = time.Time{}
		}
		v.Guests, v.Names = append(v.Guests, g), append(v.Names, g.Name)
	}
	late := guests.Visit{Number: 2, Progress: guests.Expired, Over: true, Day: today - 1, Begin: time.Unix(today.UTC(), 0).UTC(), Purpose: "Lunch", Names: []string{"LEE Siu Ming"}}
	phone, _ := portaltest.Serve(t, serve(t, &fake{visits: []guests.Visit{v, late}}))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/guests/1")
	text := strings.Join(strings.Fields(phone.Text("main")), " ")
	for i, want := range words {
		if !strings.Contains(text, v.Names[i]+" "+want) {
			t.Errorf("%s: the page has no %q:\n%s", states[i], want, text)
		}
	}
	portaltest.Narrow(t, phone)
	phone.Axe()
	phone.Shot("portal-visit-states")
	phone.Open("/guests/2")
	phone.WaitText("ask again for another day")
	phone.Axe()
	phone.Click("a[href='/guests/new?instead=2']")
	phone.WaitText("Names of the guests")
	phone.Click("button[value=zh-Hant]")
	phone.WaitText("訪客姓名")
	phone.Open("/guests/2")
	phone.WaitText("請改選另一日再申請")
	phone.Open("/guests")
	phone.WaitText("未及時審批")
	if foreign := phone.Foreign(); len(foreign) > 0 {
		t.Errorf("on a Chinese page: %q", foreign)
	}
}

// TestGuestInAPrivateWindow: a guest whose browser keeps nothing sees the code all the
// same; and one whose phone is full.
func TestGuestInAPrivateWindow(t *testing.T) {
	phone, _ := portaltest.Serve(t, serve(t, &fake{standing: guests.Good}))
	full := phone.Other()
	portaltest.Turn(t, full)
	full.Open("/install")
	portaltest.Fill(t, full)
	full.Open("/g#" + token)
	full.WaitText("LEE Siu Ming")
	scanned(t, full, "portal-guest-full")
	failures := portaltest.Private(t, phone)
	phone.Open("/g#" + token)
	phone.WaitText("LEE Siu Ming")
	scanned(t, phone, "portal-guest-private")
	if failed := failures(); len(failed) > 0 {
		t.Errorf("%q", failed)
	}
}
