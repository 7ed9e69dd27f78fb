package campus

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"turnstile/central/symbol"
	"turnstile/simulator/harm"
)

// TestRefusals: what a person can mend is told as such, and changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:1], Walk: 400 * time.Millisecond})
	s.do("issue alumna ecard", "supervisor north slip open-in")
	for _, line := range []string{
		`issue alumna guest`, `issue a guest zones=x`, `issue a guest from=9`, `issue a guest entries=99`, `issue a guest day=someday`, `issue a guest for=forever`,
		`issue ` + strings.Repeat("a", maxName+1) + ` ecard`, `shot nobody`, `forge nobody half`, `forge alumna tag`, `forge alumna bare`,
		`revoke nobody`, `hold slip`, `release slip`, `reissue nobody`, `reissue slip`,
		`scan nowhere alumna`, `scan north`, `scan north nobody`, `scan north alumna shot`, `scan north alumna forged`, `scan north alumna way=up`, `scan north alumna text=x`,
		`scan north text=` + strings.Repeat("a", maxScanText+1), `walk nowhere in`, `walk north in people=0`, `walk north in people=6`, `people nowhere stay`, `flood north scans=many`, `flood nowhere`,
		`scanner nowhere out`, `gate nowhere out`, `fire nowhere on`, `tamper nowhere on`, `cable nowhere cut`, `power nowhere cut`,
		`broker kill`, `freeze north on`, `disk north full`, `central freeze`, `central full`,
		`clock north soon`, `clock north 1ms`, `clock north 900000h`, `clock nowhere 1970`, `advance 0s`, `advance -1h`, `advance 10ms`, `advance 200h`, `wait never`, `wait 2h`,
		`mode main lockdown`, `mode 16 lockdown`, `mode +0 lockdown`, `mode 00 lockdown`, `mode 9 lockdown`, `open nowhere in`, `rules 0`, `rules 9 passback=hard`, `rules x passback=hard`, `rules 0 passback=maybe`, `rules 0 back=9999`,
		`supervisor nowhere b open-in`, `supervisor north alumna open-in`,
	} {
		a, err := Parse(line)
		if err != nil {
			t.Errorf("%.60s: %v", line, err)
			continue
		}
		err = s.Do(t.Context(), a)
		if r, ok := errors.AsType[*Refusal](err); !ok || r.What == "" {
			t.Errorf("%.60s: %v, want a refusal", line, err)
		}
	}
	late, _ := Parse("issue a guest day=someday")
	if r, ok := errors.AsType[*Refusal](s.Do(t.Context(), late)); !ok || !strings.Contains(r.What, "day") {
		t.Errorf("a day that is none: %v, want the field that is wrong", r)
	}
	for _, bad := range []Act{{}, {Verb: "jump"}, {Verb: "fire", Target: "north"}, {Verb: "fire", Target: "north", Words: []string{"maybe"}}} {
		if err := s.Do(t.Context(), bad); !errors.Is(err, ErrSyntax) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if v := s.View(); len(v.Standing) != 0 || len(v.Passes) != 2 {
		t.Errorf("something changed: %v, %d passes", v.Standing, len(v.Passes))
	}
	t.Run("on the way", func(t *testing.T) {
		s.do("people north stay", "scan north alumna")
		if err := s.Do(t.Context(), Act{Verb: "power", Target: "north", Words: []string{"cut"}}); !refused(err) {
			t.Errorf("a power cut while somebody is on the way: %v", err)
		}
	})
	t.Run("without central", func(t *testing.T) {
		s.do("central kill")
		for _, line := range []string{"issue a guest", "revoke alumna", "withdraw", "open north in", "mode 0 lockdown", "supervisor north b open-in"} {
			a, _ := Parse(line)
			if err := s.Do(t.Context(), a); !refused(err) {
				t.Errorf("%s: %v", line, err)
			}
		}
		s.do("heal")
	})
	if err := harm.Freeze(s.site.Central(), true); !errors.Is(err, harm.ErrPlayed) || s.site.Central().PID() != 0 {
		t.Errorf("Freeze: %v", err)
	}
	if err := harm.Limit(s.site.Central(), 0); !errors.Is(err, harm.ErrPlayed) {
		t.Errorf("Limit: %v", err)
	}
	s.whole()
}

func refused(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}

// TestConfig refuses what cannot be opened.
func TestConfig(t *testing.T) {
	lanes := func(list ...LaneSpec) Config { return Config{Lanes: list} }
	for name, c := range map[string]Config{
		"a start of real clocks": {Real: true, Start: firstDay}, "a played mosquitto": {Mosquitto: "/bin/true"},
		"no id": lanes(LaneSpec{Controller: "a"}), "no controller": lanes(LaneSpec{ID: "a"}), "no zone": lanes(LaneSpec{ID: "a", Controller: "a", Zone: 16}),
		"twice": lanes(LaneSpec{ID: "a", Controller: "a"}, LaneSpec{ID: "a", Controller: "b"}),
	} {
		if _, err := Open(t.Context(), c); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPictures scans a picture of a phone, and refuses what is none.
func TestPictures(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Lanes: DefaultLanes()[:1]})
	s.do(`issue "陳 小姐" ecard`, `shot "陳 小姐"`)
	for _, name := range []string{"陳 小姐", "陳 小姐 shot"} {
		svg, err := s.Symbol(t.Context(), name)
		if err != nil || !bytes.Contains(svg, []byte("<svg")) {
			t.Errorf("symbol of %s: %d bytes, %v", name, len(svg), err)
		}
	}
	if _, err := s.Symbol(t.Context(), "nobody"); !refused(err) {
		t.Errorf("symbol of nobody: %v", err)
	}
	text, err := s.shows(t.Context(), "陳 小姐", "")
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := symbol.Draw(text)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := drawn.PNG(8)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ScanPicture(t.Context(), "north", picture); err != nil {
		t.Fatal(err)
	}
	s.until("the picture lets in", came("north", "陳 小姐", "passed"))
	var empty bytes.Buffer
	if err := png.Encode(&empty, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "no symbol": empty.Bytes()} {
		if err := s.ScanPicture(t.Context(), "north", bad); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.ScanPicture(t.Context(), "nowhere", picture); !refused(err) {
		t.Errorf("a picture nowhere: %v", err)
	}
}
