package commission

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/scannertest"
)

// crew is a person who does what is asked, but for what a test changes.
type crew struct {
	gate    *gatetest.Fake
	at      int                 // rate at which the scanner is heard
	now     *scannertest.Fake   // the scanner that is open
	rate    int                 // and its rate
	arrives func(string) string // what becomes of a code on its way; nil for nothing
	answers map[string]func() (Answer, error)
	said    []string
}

func newCrew() *crew {
	return &crew{gate: gatetest.New(), at: 9600, answers: map[string]func() (Answer, error){}}
}

func (c *crew) Tell(text string) { c.said = append(c.said, text) }

func (c *crew) Show(code string) {
	if c.rate != c.at {
		return
	}
	if c.arrives != nil {
		code = c.arrives(code)
	}
	go func(s *scannertest.Fake) {
		for range 100 {
			if s.Scan(code) {
				return
			}
			<-time.After(time.Millisecond) // the driver has not begun yet
		}
	}(c.now)
}

func (c *crew) Ask(ctx context.Context, text string) (Answer, error) {
	c.said = append(c.said, text)
	for part, answer := range c.answers {
		if strings.Contains(text, part) {
			return answer()
		}
	}
	switch {
	case strings.Contains(text, "walk in"):
		c.walks(ctx, gate.In)
	case strings.Contains(text, "walk out"):
		c.walks(ctx, gate.Out)
	case strings.Contains(text, "Trigger the fire"):
		c.gate.Refuse(gate.ErrRefused)
		c.gate.Emit(gate.Event{Kind: gate.Fire})
	case strings.Contains(text, "Reset the fire"):
		c.gate.Emit(gate.Event{Kind: gate.FireOver})
	case strings.Contains(text, "Open the controller"):
		c.gate.Emit(gate.Event{Kind: gate.Tamper})
	case strings.Contains(text, "Close the controller"):
		c.gate.Emit(gate.Event{Kind: gate.TamperOver})
	}
	return Ready, ctx.Err()
}

// walks goes through in direction d half a second after the gate opens.
func (c *crew) walks(ctx context.Context, d gate.Direction) {
	go func() {
		select {
		case <-c.gate.Opened():
			<-time.After(500 * time.Millisecond)
			c.gate.Walk(d)
		case <-ctx.Done():
		}
	}()
}

// lane is a lane with one scanner and a gate.
func (c *crew) lane() Lane {
	return Lane{Name: "north-1", Installer: "an installer", Computer: "a computer", Tool: "a version",
		Scanners: []Scanner{{
			Device: Device{Subject: "entry", Kind: "scanner", Driver: "line", Path: "/dev/serial/by-id/scanner"},
			Rates:  []int{115200, 9600},
			Open: func(rate int) (scanner.Scanner, error) {
				c.now, c.rate = scannertest.New(), rate
				return c.now, nil
			},
		}},
		Gate: &Gate{Device: Device{Subject: "gate", Kind: "gate", Driver: "fake", Path: "nowhere"}, Gate: c.gate},
	}
}

// play runs the whole plan in a bubble and returns the report and every one that
// was saved.
func (c *crew) play(t *testing.T, ctx context.Context, l Lane) (last Report, saved []Report) {
	t.Helper()
	r, err := Run(ctx, l, Limits{}, c, func(r Report) error { saved = append(saved, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return r, saved
}

// of finds the result of a step.
func of(t *testing.T, r Report, s Step) Result {
	t.Helper()
	for _, e := range r.Results {
		if e.Step == s {
			return e
		}
	}
	t.Fatalf("no result of %q", s)
	return Result{}
}

func TestAGoodLanePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		r, saved := c.play(t, t.Context(), c.lane())
		if r.Verdict != Good || !r.Complete || len(r.Results) != 11 || len(saved) != 11 {
			t.Fatalf("%s, complete %v, %d results, %d saved: %s", r.Verdict, r.Complete, len(r.Results), len(saved), strings.Join(c.said, "\n"))
		}
		for i, s := range saved[:10] {
			if s.Complete || s.Verdict != Incomplete || len(s.Results) != i+1 {
				t.Errorf("saved %d: %s, complete %v, %d results", i, s.Verdict, s.Complete, len(s.Results))
			}
		}
		for _, e := range r.Results {
			if e.Outcome != Passed || len(e.Values) == 0 {
				t.Errorf("%s: %+v", e.Step, e)
			}
		}
		if d := r.Devices; d[0].Rate != 9600 || d[1].Named != "gatetest fake" {
			t.Errorf("%+v", d)
		}
		if next := of(t, r, ScannerRate).Next; !strings.Contains(next, "12 ms in place of 149") {
			t.Errorf("no proposal to raise the rate: %q", next)
		}
		if v := of(t, r, ScannerCodes).Values[0]; *v.Number != scanner.MaxText || v.Unit != "characters" {
			t.Errorf("largest code: %+v", v)
		}
		if c.gate.Openings() != 3 {
			t.Errorf("opened %d times, want 3: in, out, unused", c.gate.Openings())
		}
	})
}

// Each fault is found by its step, and the step says what to do.
func TestFaultsAreFound(t *testing.T) {
	cases := map[string]struct {
		step   Step
		fault  func(*crew, *Lane)
		reason string
	}{
		"deaf scanner": {ScannerRate, func(c *crew, _ *Lane) { c.at = 1200 }, "no test code arrived"},
		"cut short": {ScannerCodes, func(c *crew, _ *Lane) {
			c.arrives = func(s string) string { return s[:min(len(s), 128)] }
		}, "141: cut short after 128"},
		"small letters": {ScannerRate, func(c *crew, _ *Lane) { c.arrives = strings.ToLower }, "no test code arrived"},
		"reads short ones only": {ScannerCodes, func(c *crew, _ *Lane) {
			c.arrives = func(s string) string {
				if len(s) > 100 {
					return "]C1 something else"
				}
				return s
			}
		}, "the largest read has 96"},
		"nobody walks": {GateIn, func(c *crew, _ *Lane) { c.answers["walk in"] = ready }, "no passage was seen"},
		"contacts swapped": {GateOut, func(c *crew, _ *Lane) {
			c.answers["walk out"] = func() (Answer, error) { c.walks(context.Background(), gate.In); return Ready, nil }
		}, "other direction"},
		"contact bounces": {GateUnused, func(c *crew, _ *Lane) {
			c.answers["Step back"] = func() (Answer, error) { c.walks(context.Background(), gate.In); return Ready, nil }
		}, "reported passed"},
		"no contact": {GateIn, func(_ *crew, l *Lane) {
			l.Gate.Can = func() Can { return Can{In: true, Out: true, Contact: true, Fire: true, Tamper: true} }
		}, "contact does not follow"},
		"no alarm": {GateFire, func(c *crew, _ *Lane) { c.answers["Trigger"] = ready }, "no fire alarm was seen within 1m0s"},
		"opens in a fire": {GateFire, func(c *crew, _ *Lane) {
			c.answers["Trigger"] = func() (Answer, error) { c.gate.Emit(gate.Event{Kind: gate.Fire}); return Ready, nil }
		}, "accepted while the alarm was on"},
		"alarm stays": {GateFire, func(c *crew, _ *Lane) { c.answers["Reset"] = ready }, "the end of the fire alarm was not seen"},
		"case open": {GateTamper, func(c *crew, _ *Lane) {
			c.answers["Reset"] = func() (Answer, error) {
				c.gate.Emit(gate.Event{Kind: gate.FireOver})
				c.gate.Emit(gate.Event{Kind: gate.Tamper})
				return Ready, nil
			}
		}, "on already"},
		"gate gone": {GateAnswers, func(c *crew, _ *Lane) { c.gate.Lose() }, "nothing answers"},
		"pulled later": {GateOut, func(c *crew, _ *Lane) {
			c.answers["walk out"] = func() (Answer, error) { c.gate.Lose(); return Ready, nil }
		}, "no connection"},
		"gone before a step": {GateUnused, func(c *crew, _ *Lane) {
			c.answers["walk out"] = func() (Answer, error) { c.gate.Lose(); return Ready, nil }
		}, "the gate was lost"},
		"dead line": {GateLine, func(_ *crew, l *Lane) { l.Gate.Frames = func() Frames { return Frames{Received: 7} } }, "nothing was received"},
		"bad scanner line": {ScannerLine, func(_ *crew, l *Lane) {
			n := uint64(0)
			l.Scanners[0].Frames = func(scanner.Scanner) (Frames, bool) {
				n += 100
				return Frames{Sent: n, Received: n, Unanswered: n / 50}, true
			}
		}, "more than one frame in 100"},
		"still searching": {ScannerLine, func(c *crew, l *Lane) {
			asked, open := false, l.Scanners[0].Open
			c.answers["Take all"] = func() (Answer, error) { asked = true; return Ready, nil }
			l.Scanners[0].Open = func(rate int) (scanner.Scanner, error) {
				s, err := open(rate)
				if asked {
					s = searching{s}
				}
				return s, err
			}
		}, "not ready"},
		"bad line": {GateLine, func(_ *crew, l *Lane) {
			n := uint64(0)
			l.Gate.Frames = func() Frames { n += 100; return Frames{Received: n, Garbled: n / 50} }
		}, "more than one frame in 100"},
	}
	for name, k := range cases {
		synctest.Test(t, func(t *testing.T) {
			c := newCrew()
			l := c.lane()
			k.fault(c, &l)
			r, _ := c.play(t, t.Context(), l)
			e := of(t, r, k.step)
			if e.Outcome != Failed || !strings.Contains(e.Reason, k.reason) || e.Next == "" || r.Verdict != Bad || !r.Complete {
				t.Errorf("%s: %s is %s because of %q, next %q; verdict %s", name, k.step, e.Outcome, e.Reason, e.Next, r.Verdict)
			}
		})
	}
}

// searching is a scanner whose driver has not met it.
type searching struct{ scanner.Scanner }

func (s searching) Stats() scanner.Stats { return scanner.Stats{} }

func ready() (Answer, error) { return Ready, nil }

func TestWhatCannotBeDoneSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		c.at = 1200
		l := c.lane()
		l.Gate.Can = func() Can { return Can{Out: true} }
		c.answers["walk out"] = func() (Answer, error) { return Skip, nil }
		c.answers["Step back"] = func() (Answer, error) { return Skip, nil }
		r, _ := c.play(t, t.Context(), l)
		for step, want := range map[Step]Outcome{ScannerCodes: NotPossible, ScannerLine: NotPossible, GateIn: NotPossible, GateOut: Skipped,
			GateUnused: Skipped, GateRepeat: NotPossible, GateFire: NotPossible, GateTamper: NotPossible} {
			if e := of(t, r, step); e.Outcome != want || e.Reason == "" {
				t.Errorf("%s: %s, %q", step, e.Outcome, e.Reason)
			}
		}
	})
}

// A run that is broken off keeps what it has.
func TestBrokenOff(t *testing.T) {
	for name, end := range map[string]func(c *crew, stop func()){
		"by the installer": func(c *crew, _ func()) { c.answers["walk out"] = func() (Answer, error) { return 0, ErrStop } },
		"by a signal": func(c *crew, stop func()) {
			c.answers["walk out"] = func() (Answer, error) { stop(); return Ready, nil }
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrew()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			end(c, stop)
			r, saved := c.play(t, ctx, c.lane())
			if r.Complete || r.Verdict != Incomplete || len(r.Results) != 11 || !strings.Contains(r.Results[5].Reason, "ended before") {
				t.Errorf("%s: complete %v, %s, %+v", name, r.Complete, r.Verdict, r.Results[5:])
			}
			if r.Results[4].Outcome != Passed || len(saved[len(saved)-1].Results) != 11 {
				t.Errorf("%s: what was found is lost: %+v", name, saved[len(saved)-1])
			}
		})
	}
}

func TestAReportThatCannotBeSavedEndsTheRun(t *testing.T) {
	full := errors.New("disk full")
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		r, err := Run(t.Context(), c.lane(), Limits{}, c, func(Report) error { return full })
		if !errors.Is(err, full) || len(r.Results) != 1 {
			t.Errorf("%v after %d results", err, len(r.Results))
		}
	})
}

func TestEngineNamesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		l := c.lane()
		asked := 0
		l.Scanners[0].Identify = func(context.Context) (Engine, error) {
			asked++
			return Engine{Name: "an engine \x1b[31m", Rate: 9600, Raise: "send it the command"}, nil
		}
		open := l.Scanners[0].Open
		var tried []int
		l.Scanners[0].Open = func(rate int) (scanner.Scanner, error) { tried = append(tried, rate); return open(rate) }
		r, _ := c.play(t, t.Context(), l)
		if e := of(t, r, ScannerRate); tried[0] != 9600 || asked != 1 || !strings.HasPrefix(e.Next, "send it the command") {
			t.Errorf("tried %v, asked %d times, next %q", tried, asked, e.Next)
		}
	})
}

func TestTwoScannersAndNoGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		l := c.lane()
		exit := l.Scanners[0]
		exit.Device.Subject = "exit"
		l.Scanners, l.Gate = append(l.Scanners, exit), nil
		r, _ := c.play(t, t.Context(), l)
		if r.Verdict != Good || len(r.Results) != 6 || r.Results[3].Subject != "exit" {
			t.Errorf("%s: %+v", r.Verdict, r.Results)
		}
	})
}

func TestEveryStepHasItsWords(t *testing.T) {
	all := Plan(newCrew().lane())
	seen := map[string]bool{}
	for _, task := range all {
		s := task.Step
		seen[s.English()] = true
		if s.English() == string(s) || s.Chinese() == "" || s.Proves() == "" {
			t.Errorf("%s: %q, %q, %q", s, s.English(), s.Chinese(), s.Proves())
		}
	}
	if len(seen) != 11 || len(titles) != 11 {
		t.Errorf("%d headings, %d titles", len(seen), len(titles))
	}
	if got := Step("of later").English(); got != "of later" {
		t.Error(got)
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		outcomes string
		complete bool
		want     Verdict
	}{{"pp", true, Good}, {"ps", true, GoodButFor}, {"pn", true, GoodButFor}, {"pfs", true, Bad}, {"pf", false, Bad}, {"p", false, Incomplete}, {"", true, Incomplete}} {
		var results []Result
		for _, o := range c.outcomes {
			results = append(results, Result{Outcome: map[rune]Outcome{'p': Passed, 'f': Failed, 's': Skipped, 'n': NotPossible}[o]})
		}
		if got := verdict(results, c.complete); got != c.want {
			t.Errorf("%q, complete %v: %s, want %s", c.outcomes, c.complete, got, c.want)
		}
	}
}

func TestCodeTime(t *testing.T) {
	got := fmt.Sprint(whole(CodeTime(9600)), whole(CodeTime(115200)))
	if got != "149 12" {
		t.Error(got)
	}
}
