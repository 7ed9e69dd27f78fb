package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestTopics(t *testing.T) {
	topics := link.Topics{Site: site}
	for got, want := range map[string]string{
		topics.Head(): "tg/1/campus/feed/head", topics.Delta(): "tg/1/campus/feed/delta", topics.Keys(): "tg/1/campus/feed/keys",
		topics.Rules(): "tg/1/campus/feed/rules", topics.Day(today): "tg/1/campus/feed/day/2516", topics.Feed(): "tg/1/campus/feed/#",
		topics.Down(lane): "tg/1/campus/a/north-1/dn/#", topics.Ack(lane): "tg/1/campus/a/north-1/dn/ack", topics.Repeat(lane): "tg/1/campus/a/north-1/dn/repeat",
		topics.GateKeys(lane): "tg/1/campus/a/north-1/dn/keys", topics.State(lane): "tg/1/campus/a/north-1/up/state", topics.Ask(lane): "tg/1/campus/a/north-1/up/ask",
		topics.Log(lane):  fmt.Sprintf("tg/1/campus/a/north-1/up/%d/log", link.Partition(lane)),
		topics.Time(lane): "tg/1/campus/a/north-1/dn/time", topics.Command(lane): "tg/1/campus/a/north-1/dn/cmd", topics.Use(lane): "tg/1/campus/a/north-1/up/use", topics.AllUses(): "tg/1/campus/a/+/up/use",
		topics.Zone(3): "tg/1/campus/z/3/#", topics.ZoneUse(3): "tg/1/campus/z/3/use", topics.ZoneLanes(15): "tg/1/campus/z/15/lanes",
		topics.AllStates(): "tg/1/campus/a/+/up/state", topics.AllAsks(): "tg/1/campus/a/+/up/ask", topics.AllLogs(): "tg/1/campus/a/+/up/+/log",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, up := range []string{topics.State(lane), topics.Ask(lane), topics.Use(lane), topics.Log(lane)} {
		if l := topics.Lane(up); l != lane {
			t.Errorf("%s belongs to %q", up, l)
		}
	}
}

func TestHostileTopics(t *testing.T) {
	topics := link.Topics{Site: site}
	for _, topic := range []string{
		"", "/", "tg/1/campus/a/", "tg/1/campus/a/north-1", "tg/1/campus/a/north-1/", "tg/1/campus/a/north-1/dn/ack", "tg/1/campus/a/north-1/up",
		"tg/1/other/a/north-1/up/state", "tg/1/campus2/a/north-1/up/state", "tg/2/campus/a/north-1/up/state", "tg/1/campus/a//up/state",
		"tg/1/campus/a/+/up/state", "tg/1/campus/a/#/up/state", "tg/1/campus/a/north.1/up/state", "tg/1/campus/a/north 1/up/state",
		"tg/1/campus/a/north-1\n/up/state", "tg/1/campus/a/north-1\x00/up/state", "tg/1/campus/a/" + strings.Repeat("x", 33) + "/up/state",
		"tg/1/campus/feed/head", "$SYS/a/north-1/up/state", "x/tg/1/campus/a/north-1/up/state", "tg/1/campus/a/n\u00f6rd/up/state",
		"tg/1/campus/a/north-1/UP/state", strings.Repeat("tg/1/campus/a/", 5000),
	} {
		if l := topics.Lane(topic); l != "" {
			t.Errorf("%q belongs to %q", topic, l)
		}
	}
}

func TestValidID(t *testing.T) {
	for _, s := range []string{"a", "A-1_b", strings.Repeat("x", 32)} {
		if !link.ValidID(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", strings.Repeat("x", 33), "a/b", "a.b", "a b", "a\n", "\n", "+", "#", "*", ">", "$a", "a\x00", "\u00e9", "a*"} {
		if link.ValidID(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

// TestPartition has values that others computed by TOPICS.md: FNV-1a is public.
func TestPartition(t *testing.T) {
	for id, want := range map[string]int{"": 0x811c9dc5 % 64, "a": 0xe40c292c % 64, "foobar": 0xbf9cf968 % 64} {
		if p := link.Partition(id); p != want {
			t.Errorf("%q is in partition %d, want %d", id, p, want)
		}
	}
	seen := map[int]bool{}
	for i := range 1000 {
		seen[link.Partition(fmt.Sprintf("lane-%d", i))] = true
	}
	if len(seen) != link.Partitions {
		t.Errorf("1000 lanes use %d of %d partitions", len(seen), link.Partitions)
	}
}

func TestEnrolToken(t *testing.T) {
	token := link.NewEnrolToken(hash("authority"))
	text := token.Text()
	for _, s := range []string{text, text + "\n", "  " + text + "\r\n"} {
		if got, err := link.ParseEnrolToken(s); err != nil || got != token {
			t.Errorf("%v", err)
		}
	}
	if other := link.NewEnrolToken(hash("authority")); other.ID == token.ID || other.Secret == token.Secret {
		t.Error("two tokens are the same")
	}
	at := len("turnstile-enrol-1.")
	for what, s := range map[string]string{
		"empty": "", "a prefix alone": text[:at], "no prefix": text[at:], "version 2": strings.Replace(text, "-1.", "-2.", 1), "cut": text[:len(text)-1],
		"longer": text + "A", "lower case": strings.ToLower(text), "padded": text + "=", "a line inside": text[:at+10] + "\n" + text[at+10:],
		"a space inside": text[:at+10] + " " + text[at+10:], "twice": text + text, "huge": text[:at] + strings.Repeat("A", 1<<20),
		"spare bits": text[:len(text)-1] + string(text[len(text)-1]+1),
	} {
		_, err := link.ParseEnrolToken(s)
		wantError(t, what, err, link.ErrMalformed)
		if err != nil && len(s) > at+20 && strings.Contains(err.Error(), s[at+5:at+15]) {
			t.Errorf("%s: the error repeats the secret", what)
		}
	}
	for _, printed := range []string{fmt.Sprint(token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", token), fmt.Sprintf("%x", token)} {
		if strings.Contains(printed, text[at:]) || strings.Contains(printed, fmt.Sprint(token.Secret)) || strings.Contains(printed, fmt.Sprintf("%x", token.Secret)) {
			t.Errorf("printed as %s", printed)
		}
	}
}

func FuzzParseEnrolToken(f *testing.F) {
	f.Add(link.EnrolToken{Authority: hash("authority")}.Text())
	f.Add("turnstile-enrol-1.")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := link.ParseEnrolToken(s)
		if err == nil && token.Text() != strings.TrimSpace(s) {
			t.Fatalf("%q is also %q", s, token.Text())
		}
	})
}

func FuzzTopicsLane(f *testing.F) {
	topics := link.Topics{Site: site}
	f.Add(topics.Log(lane))
	f.Add("tg/1/campus/a/+/up/#")
	f.Fuzz(func(t *testing.T, topic string) {
		if l := topics.Lane(topic); l != "" && (!link.ValidID(l) || !strings.HasPrefix(topic, "tg/1/campus/a/"+l+"/up/")) {
			t.Fatalf("%q belongs to %q", topic, l)
		}
	})
}

func TestRulesCheck(t *testing.T) {
	if err := exampleRules().Check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(r *link.Rules){
		"zone 16":              func(r *link.Rules) { r.Zones[0].ID = 16 },
		"a zone twice":         func(r *link.Rules) { r.Zones = append(r.Zones, r.Zones[0]) },
		"an unknown mode":      func(r *link.Rules) { r.Zones[0].Mode = 3 },
		"an unknown passback":  func(r *link.Rules) { r.Zones[0].Passback = 3 },
		"an unknown exit":      func(r *link.Rules) { r.Zones[0].Exit = 3 },
		"an unknown apart":     func(r *link.Rules) { r.Zones[0].Apart = 2 },
		"back after 25 hours":  func(r *link.Rules) { r.Zones[0].BackMinutes = 1500 },
		"hours backwards":      func(r *link.Rules) { r.Zones[0].Hours[0].Close = 400 },
		"25 hours":             func(r *link.Rules) { r.Zones[0].Hours[0].Close = 1500 },
		"an eighth weekday":    func(r *link.Rules) { r.Zones[0].Hours[0].Weekdays = 128 },
		"no weekday":           func(r *link.Rules) { r.Zones[0].Hours[0].Weekdays = 0 },
		"an unknown action":    func(r *link.Rules) { r.Policies[1].Ages[2] = 6 },
		"two rows of a kind":   func(r *link.Rules) { r.Policies = append(r.Policies, r.Policies[0]) },
		"offsets out of order": func(r *link.Rules) { r.Offsets = append(r.Offsets, link.Offset{From: -1}) },
		"an offset of 15 h":    func(r *link.Rules) { r.Offsets[0].Minutes = 900 },
	} {
		r := exampleRules()
		change(r)
		wantError(t, what, r.Check(), link.ErrMalformed)
	}
}

func TestCampusDay(t *testing.T) {
	r := &link.Rules{Offsets: []link.Offset{{From: 0, Minutes: 60}, {From: today.UTC() + 3600, Minutes: 120}}}
	for _, c := range []struct {
		unix   int64
		day    pass.Day
		minute int
	}{
		{today.UTC() - 3600, today, 0}, {today.UTC() - 3601, today - 1, 1439}, {today.UTC() + 3599, today, 119}, {today.UTC() + 3600, today, 180},
		{0, 0, 0}, {-5, 0, 0}, {pass.Day(65535).UTC() + 86400*9, 65535, 120},
	} {
		if day, minute := r.Campus(c.unix); day != c.day || minute != c.minute {
			t.Errorf("%d is %s %d, want %s %d", c.unix, day, minute, c.day, c.minute)
		}
	}
}

func TestIsOpen(t *testing.T) {
	z := &exampleRules().Zones[0] // Monday to Saturday, 7:00 to 23:00; closed on 2026-12-25
	for _, c := range []struct {
		day    pass.Day
		minute int
		open   bool
	}{
		{today, 420, true}, {today, 419, false}, {today, 1379, true}, {today, 1380, false}, // a Saturday
		{today + 1, 600, false}, {today + 2, 600, true}, {today + 34, 600, false},
	} {
		if z.IsOpen(c.day, c.minute) != c.open {
			t.Errorf("%s at minute %d: open is %v", c.day, c.minute, !c.open)
		}
	}
	if !(&link.Zone{}).IsOpen(today, 3) {
		t.Error("a zone without hours is closed")
	}
}

func TestPolicies(t *testing.T) {
	r := exampleRules()
	if p := r.Policy(pass.Kind(9)); p.Untrusted || p.Ages != [4]link.Action{} {
		t.Errorf("a kind without a row is %+v, want refused", p)
	}
	for age, want := range map[int64]int{0: 0, 119: 0, 120: 1, 1799: 1, 1800: 2, 86399: 2, 86400: 3, 1 << 40: 3} {
		if got := link.AgeBand(age, true); got != want {
			t.Errorf("%d s is in band %d, want %d", age, got, want)
		}
	}
	if link.AgeBand(0, false) != 3 {
		t.Error("a day without a list is not in band 3")
	}
	if slices.Contains([]*link.Zone{r.Zone(1), r.Zone(200)}, r.Zone(0)) || r.Zone(0).Name != "Main" {
		t.Error("Zone finds another one")
	}
}
