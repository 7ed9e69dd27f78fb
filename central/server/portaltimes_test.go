package server

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/password"
	"turnstile/central/register"
)

// timesFacts are what the n-th of those states whom fillTimes puts into the register.
func timesFacts(n int) url.Values {
	return url.Values{"surname": {"Chan"}, "given": {"Ka " + letterOf(n)}, "born": {"1980-01-02"}, "personal_id": {fmt.Sprintf("TIMES%04d", n)}}
}

// letterOf is a word of letters for a number.
func letterOf(n int) string {
	return string([]rune{rune('a' + n/676%26), rune('a' + n/26%26), rune('a' + n%26)})
}

// fillTimes puts people into the register, each with an account and a NetID.
func fillTimes(t *testing.T, s *world, n int) {
	t.Helper()
	hash, err := password.New(nil).Hash(t.Context(), "seven green bicycles")
	must(t, err)
	for i := range n {
		id, f := fmt.Sprint("times", i), timesFacts(i)
		_, bad, err := registry{s.central}.Put(t.Context(), "test", register.Persons, []map[string]string{{"id": id, "surname": f.Get("surname"), "given": f.Get("given"), "born": f.Get("born"), "personal_id": f.Get("personal_id")}}, false)
		if err != nil || len(bad) > 0 {
			t.Fatal(bad, err)
		}
		address := fmt.Sprintf("there%04d@example.org", i)
		_, err = s.db.AddAccount(t.Context(), database.Account{Person: id, Address: address, Folded: address, Handle: id, Lang: "en", Created: 1})
		must(t, err)
		must(t, s.db.AdoptNetID(t.Context(), database.NetID{ID: fmt.Sprintf("there%04d", i), Person: id, Card: "alumni", Name: id, NameKey: id, Alias: id, Email: address, Lang: "en", Password: hash, Changed: 1, Created: 1}))
	}
}

// timed is a question that has one answer for what is there and what is not: what
// comes before, and the form that is timed.
type timed struct {
	name   string
	before func(b *tab, there bool, i int)
	form   func(b *tab, there bool, i int) (path string, fields url.Values)
}

// ask returns the answer and how long central worked for it.
func (q timed) ask(b *tab, there bool, i int) (*httptest.ResponseRecorder, time.Duration) {
	if q.before != nil {
		q.before(b, there, i)
	}
	path, fields := q.form(b, there, i)
	if guarded[path] {
		fields = b.w.worked(fields)
	}
	body := fields.Encode()
	begun := worked(b.w.t)
	out := b.send(http.MethodPost, path, body, formKind)
	return out, worked(b.w.t) - begun
}

// worked is the processor's time that this program has had: what others on the machine
// take is not in it.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// word is there0007, or nobod0007 that is nobody's: of one length.
func word(there bool, i int) string {
	return fmt.Sprintf("%s%04d", map[bool]string{true: "there", false: "nobod"}[there], i)
}

func timedQuestions() []timed {
	type fields = url.Values
	mail := func(_ *tab, there bool, i int) (string, fields) {
		return "/sign-in", fields{"address": {word(there, i) + "@example.org"}}
	}
	reset := func(_ *tab, there bool, i int) (string, fields) {
		return "/netid/reset", fields{"netid": {word(there, i)}}
	}
	asked := func(form func(*tab, bool, int) (string, fields)) func(*tab, bool, int) {
		return func(b *tab, there bool, i int) { b.post(form(b, there, i)) }
	}
	code := func(path string) func(*tab, bool, int) (string, fields) {
		return func(*tab, bool, int) (string, fields) { return path, fields{"code": {"00000000"}} }
	}
	facts := func(path, born string) func(*tab, bool, int) (string, fields) {
		return func(_ *tab, there bool, i int) (string, fields) {
			f := timesFacts(i)
			if f.Set("born", born); !there {
				f.Set("personal_id", fmt.Sprintf("NOBOD%04d", i))
			}
			return path, f
		}
	}
	return []timed{
		{"sign-in address", nil, mail}, {"a wrong code for it", asked(mail), code("/sign-in/code")},
		{"identify, another birth date", nil, facts("/register", "1980-01-03")}, {"forgotten NetID", nil, facts("/netid/forgot", "1980-01-02")},
		{"reset of a NetID", nil, reset}, {"a wrong code for it", asked(reset), code("/netid/code")},
		{"NetID and a wrong password", nil, func(b *tab, there bool, i int) (string, fields) {
			return b.authorize(), fields{"netid": {word(there, i)}, "password": {"not this one"}}
		}},
	}
}

// TestTimes: what is there is answered as what is not. With TIMES=200 as many of each
// are asked in a random order, and how long central worked is printed.
func TestTimes(t *testing.T) {
	n := 2
	if text := os.Getenv("TIMES"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(t, err)
	}
	for _, q := range timedQuestions() {
		w := openWorld(t, "")
		fillTimes(t, w, n)
		took := map[bool][]float64{}
		for i := range n {
			answers := map[bool]string{}
			both := []bool{true, false}
			rand.Shuffle(2, func(a, b int) { both[a], both[b] = both[b], both[a] })
			for _, there := range both {
				out, d := q.ask(w.tab(), there, i)
				answers[there] = fmt.Sprint(out.Code, answerOf(out, word(there, i), fmt.Sprintf("TIMES%04d", i), fmt.Sprintf("NOBOD%04d", i)))
				took[there] = append(took[there], d.Seconds()*1000)
			}
			if answers[true] != answers[false] {
				t.Errorf("%s: %s", q.name, differ(answers[true], answers[false]))
			}
		}
		t.Log(compared(q.name, took[true], took[false]))
	}
}

// compared says how far two lists of times (ms) differ: the 10th of a hundred, median
// and 95th; how often one of the first is longer than one of the second, and how likely
// chance makes that (Mann and Whitney, two-sided, by the normal distribution).
func compared(name string, a, b []float64) string {
	slices.Sort(a)
	slices.Sort(b)
	at := func(list []float64, p float64) float64 { return list[int(p*float64(len(list)-1))] }
	longer := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				longer++
			case x == y:
				longer += 0.5
			}
		}
	}
	m, k := float64(len(a)), float64(len(b))
	z := (longer - m*k/2) / math.Sqrt(m*k*(m+k+1)/12)
	show := func(list []float64) string {
		return fmt.Sprintf("%.2f / %.2f / %.2f ms", at(list, .1), at(list, .5), at(list, .95))
	}
	return fmt.Sprintf("%-28s n=%d  there %s  not %s  (10th of 100, median, 95th)  10th %+.1f %%  medians %+.1f %%  longer %.2f  p=%.3f",
		name, len(a), show(a), show(b), 100*(at(a, .1)/at(b, .1)-1), 100*(at(a, .5)/at(b, .5)-1), longer/(m*k), math.Erfc(math.Abs(z)/math.Sqrt2))
}
