package passes_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net/url"
	"strings"
	"testing"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
	"turnstile/central/roster"
	"turnstile/central/symbol"
)

func order() url.Values {
	return url.Values{"kind": {"guest"}, "holder": {"A1234567"}, "guest_name": {"陳大文"}, "day": {"2026-11-22"}, "zones": {"0"}, "start": {"08:30"}, "length": {"1h30m"}, "entries": {"2"}}
}

func TestIssueOne(t *testing.T) {
	d := newDesk(t)
	w := d.post("/passes/new", order())
	if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/office/passes/2026-11-22/") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := d.get(strings.TrimPrefix(w.Header().Get("Location"), "/office")).Body.String()
	for _, want := range []string{"陳大文", "A1234567", "2026-11-22 08:30", "2026-11-22 10:00", "data:image/svg&#43;xml;base64,", `class="chip ok">Good`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the pass has no %s", want)
		}
	}
}

// TestBadOrders: each mistake is shown at its field with what was typed, and
// nothing is issued.
func TestBadOrders(t *testing.T) {
	d := newDesk(t)
	for name, x := range map[string]struct{ field, value, want string }{
		"kind": {"kind", "king", "want ecard"}, "no holder": {"holder", "", "is missing"}, "long holder": {"holder", strings.Repeat("x", 65), "at most 64"},
		"script": {"guest_name", "<script>" + strings.Repeat("x", 130), "at most 120"}, "line break": {"purpose", "a\nb", "line break"}, "no such day": {"day", "2026-02-30", "want a day"},
		"yesterday": {"day", "2026-11-21", "is over"}, "zone": {"zones", "9", "there is no zone 9"}, "start": {"start", "25:00", "want a time"}, "length": {"length", "15m", "steps of 10"},
		"entries": {"entries", "16", "0 to 15"}, "address": {"email", "Bo <a@b.c>", "such as name@example.org"}, "header": {"email", "a@b.c\r\nBcc: x@y.z", "line break"}, "guest of a card": {"kind", "ecard", "only a pass of kind guest"},
	} {
		f := maps.Clone(order())
		f.Set(x.field, x.value)
		w := d.post("/passes/new", f)
		if w.Code != 422 || !strings.Contains(w.Body.String(), x.want) || strings.Contains(w.Body.String(), "<script>x") {
			t.Errorf("%s: %d, no %q in %.2000s", name, w.Code, x.want, w.Body)
		}
		if !strings.Contains(w.Body.String(), "A1234567") && x.field != "holder" {
			t.Errorf("%s: what was typed is lost", name)
		}
	}
	twice := order()
	twice.Add("holder", "B")
	if w := d.post("/passes/new", twice); w.Code != 422 || !strings.Contains(w.Body.String(), "came twice") {
		t.Errorf("a field twice: %d", w.Code)
	}
	if w := d.post("/passes/new", url.Values{"holder": {strings.Repeat("x", 70<<10)}}); w.Code != 413 {
		t.Errorf("a huge form: %d", w.Code)
	}
	if w := d.send("POST", "/passes/new", "application/x-www-form-urlencoded", []byte("%zz=%")); w.Code != 422 {
		t.Errorf("a broken form: %d", w.Code)
	}
	if list, err := d.services.Passes.List(t.Context(), office.PassFilter{Limit: 9}); err != nil || len(list.Passes) != 0 {
		t.Errorf("%d passes were issued", len(list.Passes))
	}
}

func TestSearch(t *testing.T) {
	d := newDesk(t)
	list := d.issue(t, 60)
	if _, err := d.services.Passes.SetStatus(t.Context(), "test", list[1].ID(), link.Revoked, "x"); err != nil {
		t.Fatal(err)
	}
	rows := func(path string) int {
		w := d.get(path)
		if w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
		if strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%s: a guest's name became a part of the page", path)
		}
		return strings.Count(w.Body.String(), `<th scope="row">`)
	}
	for path, want := range map[string]int{"/passes": 50, "/passes?words=hopper": 10, "/passes?words=%E9%99%B3": 10, "/passes?holder=P1": 20, "/passes?status=revoked": 1, "/passes?day=2026-11-22&zone=0&kind=guest": 50, "/passes?day=2026-11-23": 0, "/passes?kind=ecard": 0} {
		if n := rows(path); n != want {
			t.Errorf("%s: %d rows, want %d", path, n, want)
		}
	}
	page := d.get("/passes?holder=P1").Body.String()
	if strings.Contains(page, `rel="next"`) {
		t.Error("20 rows have a next page")
	}
	if page = d.get("/passes").Body.String(); !strings.Contains(page, `rel="next"`) {
		t.Error("60 rows have none")
	}
	id := list[0].ID()
	if w := d.get("/passes?words=" + url.QueryEscape(id.String())); w.Header().Get("Location") != fmt.Sprintf("/office/passes/%s/%06d", id.Day, id.Index) {
		t.Errorf("a pass number leads to %q", w.Header().Get("Location"))
	}
	for name, query := range map[string]string{
		"day": "day=22.11.2026", "zone": "zone=16", "zone name": "zone=north", "status": "status=gone", "kind": "kind=king", "cursor": "cursor=-7", "twice": "words=a&words=b",
		"control": "words=%01", "long": "words=" + strings.Repeat("x", 2001), "not UTF-8": "words=%ff",
	} {
		if w := d.get("/passes?" + query); w.Code != 422 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for _, path := range []string{"/passes/2026-11-22/16777216", "/passes/2026-11-22/x", "/passes/never/1", "/passes/2026-11-22/-1", "/passes/2026-11-29/000001"} {
		if w := d.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestFindByCode: pasted or photographed, true or forged.
func TestFindByCode(t *testing.T) {
	d := newDesk(t)
	p := d.issue(t, 1)[0]
	c, err := d.services.Passes.Code(t.Context(), p.ID())
	if err != nil {
		t.Fatal(err)
	}
	s, err := symbol.Draw(c.Text)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := s.PNG(6)
	if err != nil {
		t.Fatal(err)
	}
	to := fmt.Sprintf("/office/passes/%s/%06d", p.Day, p.Index)
	spaced := strings.ToLower(c.Text[:40]) + " \r\n" + c.Text[40:]
	for name, w := range map[string]string{
		"pasted":       d.upload(t, "/passes/find", "", nil, "code", c.Text).Header().Get("Location"),
		"with spaces":  d.upload(t, "/passes/find", "", nil, "code", spaced).Header().Get("Location"),
		"photographed": d.upload(t, "/passes/find", "picture:code.png", picture).Header().Get("Location"),
	} {
		if w != to {
			t.Errorf("%s: leads to %q, want %q", name, w, to)
		}
	}
	forged := []byte(c.Text)
	forged[len(forged)-20] = map[bool]byte{true: 'B', false: 'A'}[forged[len(forged)-20] == 'A']
	foreign := p.Pass
	foreign.Index++
	for name, x := range map[string]struct{ code, want string }{
		"nothing": {"", "Paste a code"}, "text": {"<script>alert(1)</script>", "no code of a pass"}, "forged": {string(forged), "did not sign"},
		"never issued": {foreign.Text(make([]byte, 64)), "never issued"}, "long": {strings.Repeat("A", 5000), "Paste a code"},
	} {
		if w := d.upload(t, "/passes/find", "", nil, "code", x.code); w.Code != 422 || !strings.Contains(w.Body.String(), x.want) || strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%s: %d, no %q", name, w.Code, x.want)
		}
	}
	for name, x := range map[string]struct {
		data []byte
		want string
	}{
		"text": {[]byte("hello"), "no PNG"}, "half": {picture[:len(picture)/2], "no PNG"}, "another picture": {blank(t), "no readable QR"}, "large": {make([]byte, 8<<20+1), "more than 8 MB"},
	} {
		if w := d.upload(t, "/passes/find", "picture:x.png", x.data); w.Code != 422 || !strings.Contains(w.Body.String(), x.want) {
			t.Errorf("%s: %d, no %q", name, w.Code, x.want)
		}
	}
	if w := d.send("POST", "/passes/find", "application/x-www-form-urlencoded", []byte("code=x")); w.Code != 422 {
		t.Errorf("no upload at all: %d", w.Code)
	}
	if w := d.upload(t, "/passes/find", "picture:x.png", make([]byte, 9<<20)); w.Code != 413 && w.Code != 422 {
		t.Errorf("beyond the bound of the route: %d", w.Code)
	}
}

func TestStatusForms(t *testing.T) {
	d := newDesk(t)
	p := d.issue(t, 1)[0]
	at := fmt.Sprintf("/passes/%s/%06d", p.Day, p.Index)
	for name, x := range map[string]struct {
		form url.Values
		want int
	}{
		"no reason": {url.Values{"to": {"revoked"}}, 422}, "long": {url.Values{"to": {"revoked"}, "reason": {strings.Repeat("x", 201)}}, 422}, "control": {url.Values{"to": {"held"}, "reason": {"a\x00"}}, 422},
		"status": {url.Values{"to": {"gone"}, "reason": {"x"}}, 422}, "twice": {url.Values{"to": {"held", "revoked"}, "reason": {"x"}}, 422}, "release a good one": {url.Values{"to": {"good"}, "reason": {"x"}}, 409},
	} {
		if w := d.post(at+"/status", x.form); w.Code != x.want {
			t.Errorf("%s: %d, want %d", name, w.Code, x.want)
		}
	}
	if w := d.post(at+"/status", url.Values{"to": {"held"}, "reason": {"الهاتف مفقود"}}); w.Code != 303 {
		t.Errorf("hold: %d %s", w.Code, w.Body)
	}
	if p, err := d.services.Passes.Find(t.Context(), p.ID()); err != nil || p.Status != link.Held || p.Reason != "الهاتف مفقود" || p.ChangedBy != "user:desk" {
		t.Errorf("%+v, %v", p, err)
	}
	d.as("look", rights.Viewer)
	page := d.get(at).Body.String()
	if strings.Contains(page, "data:image") || strings.Contains(page, "/status") || strings.Contains(page, "/mail") {
		t.Error("a viewer is shown the code, or deeds")
	}
}

func TestMailForm(t *testing.T) {
	d := newDesk(t)
	p := d.issue(t, 1)[0]
	at := fmt.Sprintf("/passes/%s/%06d", p.Day, p.Index)
	for _, bad := range []string{"", "nobody", "a@example.org\r\nBcc: b@example.org", "<script>@example.org", strings.Repeat("x", 260) + "@example.org"} {
		if w := d.post(at+"/mail", url.Values{"address": {bad}}); w.Code != 422 || strings.Contains(w.Body.String(), "<script>@") {
			t.Errorf("%.30q: %d", bad, w.Code)
		}
	}
	if w := d.post(at+"/mail", url.Values{"address": {"guest@example.org"}}); w.Code != 303 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if page := d.get(at).Body.String(); !strings.Contains(page, "guest@example.org") || !strings.Contains(page, "waits, next attempt") {
		t.Error("the page does not say what became of the mail")
	}
}

func TestPrint(t *testing.T) {
	d := newDesk(t)
	list := d.issue(t, 60)
	if _, err := d.services.Passes.SetStatus(t.Context(), "test", list[59].ID(), link.Revoked, "x"); err != nil {
		t.Fatal(err)
	}
	one := d.get(fmt.Sprintf("/passes/%s/%06d/print", list[0].Day, list[0].Index)).Body.String()
	if strings.Count(one, `class="symbol"`) != 1 || !strings.Contains(one, "Grace Hopper") {
		t.Error("one pass is not printed")
	}
	sheet := d.get("/passes/sheet").Body.String()
	if n := strings.Count(sheet, `class="symbol"`); n != 47 || !strings.Contains(sheet, "1 are left out") || !strings.Contains(sheet, `rel="next"`) {
		t.Errorf("%d symbols on the sheet", n)
	}
	o := office.Order{Kind: pass.ECard, Holder: "L", Day: list[0].Day, Zones: 1, Length: 36e12, Flags: pass.LiveRequired}
	p, err := d.services.Passes.Issue(t.Context(), "test", o)
	if err != nil {
		t.Fatal(err)
	}
	if w := d.get(fmt.Sprintf("/passes/%s/%06d/print", p.Day, p.Index)); w.Code != 409 {
		t.Errorf("a live code on paper: %d", w.Code)
	}
}

func TestFiles(t *testing.T) {
	d := newDesk(t)
	var b strings.Builder
	b.WriteString("kind,holder,day,guest_name,purpose\n")
	for i := range 500 {
		fmt.Fprintf(&b, "guest,H%d,2026-11-22,<script>alert(%d)</script>,%s\n", i, i, map[bool]string{true: "=cmd|' /C calc'!A0", false: "x\",y"}[i%2 == 0])
	}
	w := d.upload(t, "/passes/import", `file:..\..\<b>guests</b>.csv`, []byte(b.String()))
	at := strings.TrimPrefix(w.Header().Get("Location"), "/office")
	if w.Code != 303 || at == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := d.get(at).Body.String()
	if !strings.Contains(page, ">250</strong> good rows") || !strings.Contains(page, ">250</strong> bad rows") || !strings.Contains(page, "Issue the 250 good ones") || strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>guests") {
		t.Errorf("%.3000s", page)
	}
	if n := strings.Count(page, "a quotation mark is not closed"); n != 200 || !strings.Contains(page, `rel="next"`) {
		t.Errorf("%d bad rows on the first page", n)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(d.get(at+"/faults.csv").Body.String(), "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != 251 || rows[1][0] != "3" {
		t.Errorf("%d rows in the file of faults, %v", len(rows), err)
	}
	if list, err := d.services.Passes.List(t.Context(), office.PassFilter{Limit: 9}); err != nil || len(list.Passes) != 0 {
		t.Errorf("%d passes were issued by a preview", len(list.Passes))
	}
	if w := d.post(at+"/settle", url.Values{"what": {"eat"}}); w.Code != 422 {
		t.Errorf("what: %d", w.Code)
	}
	if w := d.post(at+"/settle", url.Values{"what": {"issue"}}); w.Code != 303 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if page := d.get(at).Body.String(); !strings.Contains(page, ">250</strong> issued") {
		t.Errorf("%.2000s", page)
	}
	if w := d.post(at+"/settle", url.Values{"what": {"issue"}}); w.Code != 409 {
		t.Errorf("issued again: %d", w.Code)
	}
}

func TestBadFiles(t *testing.T) {
	d := newDesk(t)
	for name, x := range map[string]struct {
		part string
		data []byte
		want int
	}{
		"nothing": {"", nil, 422}, "no name": {"file:", nil, 422}, "another field": {"other:x.csv", []byte("kind,holder,day\n"), 422}, "empty": {"file:x.csv", nil, 422},
		"a picture": {"file:x.csv", blank(t), 422}, "a workbook": {"file:x.xlsx", []byte("PK\x03\x04"), 422}, "unknown column": {"file:x.csv", []byte("kind,holder,day,<script>\nx"), 422},
		"one line without end": {"file:x.csv", append([]byte("kind,holder,day\n"), make([]byte, roster.MaxFile)...), 422},
	} {
		w := d.upload(t, "/passes/import", x.part, x.data)
		if w.Code != x.want || strings.Contains(w.Body.String(), "<script>") && !strings.Contains(w.Body.String(), "console.js") {
			t.Errorf("%s: %d, want %d", name, w.Code, x.want)
		}
	}
	for _, path := range []string{"/passes/import/none", "/passes/import/none/now", "/passes/import/none/faults.csv"} {
		if w := d.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if list, err := d.services.Imports.List(t.Context(), 9); err != nil || len(list) != 0 {
		t.Errorf("%d files are kept, %v", len(list), err)
	}
}

func TestBulkForms(t *testing.T) {
	d := newDesk(t)
	list := d.issue(t, 12)
	page := d.get("/passes/bulk?holder=P1").Body.String()
	if !strings.Contains(page, "Revoke 4") || !strings.Contains(page, "Hold 4") || !strings.Contains(page, "Release 0") || !strings.Contains(page, `name="due_revoked" value="4"`) {
		t.Errorf("%.3000s", page)
	}
	for name, x := range map[string]struct {
		form url.Values
		want string
	}{
		"no reason": {url.Values{"holder": {"P1"}, "to": {"revoked"}, "due_revoked": {"4"}}, "Give a reason"}, "nothing": {url.Values{"to": {"revoked"}, "reason": {"x"}}, "Select passes"},
		"stale": {url.Values{"holder": {"P1"}, "to": {"revoked"}, "due_revoked": {"3"}, "reason": {"x"}}, "It would be 4 passes now"}, "no count": {url.Values{"holder": {"P1"}, "to": {"revoked"}, "reason": {"x"}}, "would change no pass"},
		"status": {url.Values{"holder": {"P1"}, "to": {"gone"}, "reason": {"x"}}, "Select passes"}, "day": {url.Values{"day": {"never"}, "to": {"held"}, "reason": {"x"}}, "2026-11-22"}, "id": {url.Values{"id": {"<script>"}, "to": {"held"}, "reason": {"x"}}, "has no number"},
		"twice": {url.Values{"holder": {"P1", "P2"}, "to": {"held"}, "reason": {"x"}}, "came twice"}, "zone": {url.Values{"zone": {"99"}, "to": {"held"}, "reason": {"x"}}, "no such zone"},
	} {
		if w := d.post("/passes/bulk", x.form); w.Code != 422 || !strings.Contains(w.Body.String(), x.want) {
			t.Errorf("%s: %d, no %q in %.1500s", name, w.Code, x.want, w.Body)
		}
	}
	many := url.Values{"to": {"held"}, "reason": {"x"}}
	for range 501 {
		many.Add("id", list[0].ID().String())
	}
	if w := d.post("/passes/bulk", many); w.Code != 422 {
		t.Errorf("501 named: %d", w.Code)
	}
	// Two are done at once; four need somebody else.
	w := d.post("/passes/bulk", url.Values{"id": {list[0].ID().String(), list[3].ID().String()}, "to": {"held"}, "due_held": {"2"}, "reason": {"water"}})
	if page := d.get(strings.TrimPrefix(w.Header().Get("Location"), "/office")).Body.String(); w.Code != 303 || !strings.Contains(page, "2 passes are changed") {
		t.Errorf("%d %.2000s", w.Code, page)
	}
	w = d.post("/passes/bulk", url.Values{"holder": {"P1"}, "to": {"revoked"}, "due_revoked": {"4"}, "reason": {"left"}})
	at := strings.TrimPrefix(w.Header().Get("Location"), "/office")
	page = d.get(at).Body.String()
	if !strings.Contains(page, "waits for a second person") || strings.Contains(page, "/confirm") {
		t.Errorf("the first person is asked to confirm: %.2000s", page)
	}
	if w := d.post(at+"/confirm", nil); w.Code != 409 {
		t.Errorf("the first person confirms: %d", w.Code)
	}
	d.as("guard", rights.Security)
	if w := d.post(at+"/confirm", nil); w.Code != 403 {
		t.Errorf("confirmed without the right: %d", w.Code)
	}
	d.as("second", rights.Approver)
	if page := d.get(at).Body.String(); !strings.Contains(page, "/confirm") {
		t.Error("the second person is not asked")
	}
	if w := d.post(at+"/confirm", nil); w.Code != 303 {
		t.Errorf("confirm: %d %s", w.Code, w.Body)
	}
	if p, err := d.services.Passes.Find(t.Context(), list[1].ID()); err != nil || p.Status != link.Revoked {
		t.Errorf("%+v, %v", p, err)
	}
	if w := d.get("/passes/bulk/none"); w.Code != 404 {
		t.Errorf("none: %d", w.Code)
	}
}

// TestDeedsByRole: each deed is refused to who may not do it.
func TestDeedsByRole(t *testing.T) {
	tried := 0
	for _, role := range rights.Roles() {
		for path, need := range map[string]rights.Permission{
			"POST /passes/new": rights.PassesIssue, "POST /passes/import": rights.PassesIssue, "POST /passes/import/x/settle": rights.PassesIssue, "GET /passes/import/x/faults.csv": rights.PassesIssue,
			"POST /passes/2026-11-22/000001/status": rights.PassesStatus, "POST /passes/2026-11-22/000001/mail": rights.PassesCode, "GET /passes/2026-11-22/000001/code": rights.PassesCode,
			"GET /passes/2026-11-22/000001/print": rights.PassesCode, "GET /passes/sheet": rights.PassesCode, "POST /passes/bulk": rights.PassesStatus, "POST /passes/bulk/x/confirm": rights.PassesConfirm,
			"POST /passes/bulk/x/withdraw": rights.PassesStatus, "GET /passes": rights.PassesRead, "GET /passes/2026-11-22/000001": rights.PassesRead, "POST /passes/find": rights.PassesRead,
		} {
			d := newDesk(t)
			d.as("somebody", role)
			method, at, _ := strings.Cut(path, " ")
			w := d.send(method, at, "application/x-www-form-urlencoded", nil)
			if refused := w.Code == 403; refused == role.Permissions().Has(need) || w.Code >= 500 {
				t.Errorf("%s as %s: %d", path, role, w.Code)
			}
			tried++
		}
	}
	if tried != 6*15 {
		t.Errorf("%d tries", tried)
	}
}

// blank is a picture of nothing.
func blank(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
