package display

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"turnstile/agent/lane"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

func TestEveryReasonHasWords(t *testing.T) {
	n := 0
	for _, r := range pass.Reasons() {
		w, ok := reasonWords[r]
		if !ok {
			t.Errorf("%v has no words", r)
			continue
		}
		n++
		checkWords(t, r.String(), w)
	}
	if n < 35 || n != len(reasonWords) {
		t.Errorf("%d reasons have words, of %d", n, len(reasonWords))
	}
	for name, w := range map[string]Words{"idle": idleWords, "wait": waitWords, "out": outWords} {
		checkWords(t, name, w)
	}
}

// checkWords wants both languages, what happened and what to do next, short
// enough for the page.
func checkWords(t *testing.T, name string, w Words) {
	t.Helper()
	for _, text := range []string{w.EN.What, w.EN.Next} {
		if len(text) < 5 || len(text) > 110 || strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxASCII }) {
			t.Errorf("%s: English %q", name, text)
		}
	}
	for _, text := range []string{w.ZH.What, w.ZH.Next} {
		if !strings.ContainsFunc(text, func(c rune) bool { return unicode.Is(unicode.Han, c) }) || len([]rune(text)) > 40 {
			t.Errorf("%s: Chinese %q", name, text)
		}
	}
	if w.EN.What == w.EN.Next || !strings.HasSuffix(w.EN.Next, ".") || !strings.HasSuffix(w.ZH.Next, "。") {
		t.Errorf("%s: no next step: %+v", name, w)
	}
}

// TestWordsTellNothingOfPersons: whether a pass was revoked or its holder is
// blocked is for the guard's log.
func TestWordsTellNothingOfPersons(t *testing.T) {
	for _, r := range []pass.Reason{pass.Held, pass.HolderBlocked} {
		if WordsOf(r) != WordsOf(pass.Revoked) {
			t.Errorf("%v has words of its own", r)
		}
	}
	never := regexp.MustCompile(`(?i)revoke|block|held|hold your|person named|unknown person|account|撤銷|封鎖|凍結|黑名單`)
	for _, r := range pass.Reasons() {
		w := WordsOf(r)
		for _, text := range []string{w.EN.What, w.EN.Next, w.ZH.What, w.ZH.Next} {
			if bad := never.FindString(text); bad != "" {
				t.Errorf("%v says %q", r, bad)
			}
		}
	}
	v, err := json.Marshal(ViewOf(lane.Status{Answer: lane.Answer{Signal: gate.Guard, Reason: pass.HolderBlocked}}))
	if err != nil || strings.Contains(strings.ToUpper(string(v)), "BLOCK") {
		t.Errorf("the page is sent %s", v)
	}
}

func TestAReasonOfTomorrow(t *testing.T) {
	if WordsOf(pass.Reason(250)) != seeGuard {
		t.Error("an unknown reason does not lead to the guard")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := files.ReadFile("page/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEverySignalIsDrawn(t *testing.T) {
	html, css := read(t, "lane.html"), read(t, "lane.css")
	for s := range gate.Signal(gate.Signals) {
		name := signalName(s)
		if !strings.Contains(html, `<g class="`+name+`">`) || !strings.Contains(css, `body[data-signal="`+name+`"] .`+name) {
			t.Errorf("%q is not drawn", name)
		}
	}
}

func TestPageNeedsNobodyElse(t *testing.T) {
	for _, name := range []string{"lane.html", "lane.css", "lane.js"} {
		if bad := regexp.MustCompile(`https?:|//[a-z]+\.|@import|url\(|innerHTML|style="| on[a-z]+="`).FindString(read(t, name)); bad != "" {
			t.Errorf("%s has %q", name, bad)
		}
	}
	for _, want := range []string{`aria-live="assertive"`, `role="status"`, `lang="zh-Hant"`} {
		if !strings.Contains(read(t, "lane.html"), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if css := read(t, "lane.css"); strings.Index(css, "animation") < strings.Index(css, "prefers-reduced-motion: no-preference") {
		t.Error("something moves for people who asked for no motion")
	}
}

// TestContrast computes WCAG's contrast of white on each background.
func TestContrast(t *testing.T) {
	colours := regexp.MustCompile(`background: (#[0-9a-f]{6});`).FindAllStringSubmatch(read(t, "lane.css"), -1)
	if len(colours) < int(gate.Signals) {
		t.Fatalf("only %d backgrounds found", len(colours))
	}
	for _, c := range colours {
		if ratio := 1.05 / (luminance(t, c[1]) + 0.05); ratio < 7 {
			t.Errorf("white on %s has %.1f:1", c[1], ratio)
		}
	}
}

func luminance(t *testing.T, hex string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			sum += weight * c / 12.92
		} else {
			sum += weight * math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return sum
}

func status(s gate.Signal, r pass.Reason) View {
	return ViewOf(lane.Status{Number: 2, Name: "North 2", Answer: lane.Answer{Signal: s, Reason: r}})
}

func serveBoard(t *testing.T) (*Board, *httptest.Server) {
	b := NewBoard()
	b.Set(status(gate.Idle, pass.Granted))
	mux := http.NewServeMux()
	b.Handle(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return b, s
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestFiles(t *testing.T) {
	_, s := serveBoard(t)
	for path, kind := range map[string]string{
		"/lane/2": "text/html", "/display/lane.css": "text/css", "/display/lane.js": "javascript", "/lane/2/state": "application/json",
	} {
		resp, body := get(t, s.URL+path)
		if resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Content-Type"), kind) || body == "" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		if kind == "text/html" && resp.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s has no policy", path)
		}
	}
	for _, path := range []string{"/lane/1", "/lane/300", "/lane/x", "/lane/1/events", "/display/display.go"} {
		if resp, _ := get(t, s.URL+path); resp.StatusCode != 404 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// listen opens a display and returns what it is sent.
func listen(t *testing.T, url string) <-chan View {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("open display: %v %v", resp, err)
	}
	views := make(chan View, 100)
	go func() {
		defer resp.Body.Close()
		defer close(views)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var v View
			if ok && json.Unmarshal([]byte(data), &v) == nil {
				views <- v
			}
		}
	}()
	return views
}

func next(t *testing.T, views <-chan View) View {
	t.Helper()
	select {
	case v := <-views:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("the display is sent nothing")
	}
	return View{}
}

func TestEvents(t *testing.T) {
	b, s := serveBoard(t)
	views := listen(t, s.URL+"/lane/2/events")
	if v := next(t, views); v.Signal != "idle" || v.Words.EN.What == "" {
		t.Errorf("first %+v", v)
	}
	b.Set(status(gate.Granted, pass.Granted))
	if v := next(t, views); v.Signal != "granted" || v.Words.ZH.What == "" {
		t.Errorf("then %+v", v)
	}
	b.Set(status(gate.Granted, pass.Granted)) // nothing new
	b.Set(ViewOf(lane.Status{Number: 3}))     // another lane
	b.Set(status(gate.Guard, pass.Revoked))
	if v := next(t, views); v.Signal != "guard" {
		t.Errorf("at last %+v", v)
	}
}

func TestTooManyDisplays(t *testing.T) {
	b, s := serveBoard(t)
	for range MaxViewers {
		next(t, listen(t, s.URL+"/lane/2/events"))
	}
	if resp, _ := get(t, s.URL+"/lane/2/events"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", resp.StatusCode)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.viewers) != MaxViewers {
		t.Errorf("%d viewers", len(b.viewers))
	}
}
