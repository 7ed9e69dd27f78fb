package register_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	pages "turnstile/central/console/register"
	"turnstile/central/office"
	"turnstile/central/office/officetest"
	"turnstile/central/register"
	"turnstile/central/register/registertest"
	"turnstile/central/rights"
)

// noon is the time of the fake.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, officetest.HongKong)

// desk is the pages over a fake office.
type desk struct {
	services office.Services
	console  *console.Console
	role     rights.Role
	names    *names
}

func (*desk) Wrap(next http.Handler) http.Handler { return next }

func (d *desk) Principal(*http.Request) (console.Principal, bool) {
	return console.Principal{Name: "desk", Roles: []rights.Role{d.role}, Permissions: d.role.Permissions(), Proved: noon}, true
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	now := func() time.Time { return noon }
	d := &desk{services: officetest.New(now).Services(), role: rights.Admin, names: &names{}}
	s := d.services
	var err error
	d.console, err = console.New(console.Options{
		Auth: d, Site: "campus", Version: "test", Zone: officetest.HongKong, Now: now, Log: slog.New(slog.DiscardHandler),
		Nav:    []console.Nav{{Path: "/register", Text: "Register", Need: rights.RegisterRead}},
		Routes: pages.Routes(pages.Deps{Register: s.Register, Syncs: s.Syncs, History: s.SyncHistory, Merges: s.Merges, Apart: s.Apart, Cards: s.Cards, NetIDs: d.names}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) send(method, path, kind string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://office.example/office"+path, bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	d.console.ServeHTTP(w, r)
	return w
}

func (d *desk) get(path string) *httptest.ResponseRecorder { return d.send("GET", path, "", nil) }

func (d *desk) post(path string, form url.Values) *httptest.ResponseRecorder {
	return d.send("POST", path, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// upload posts a file behind pairs of fields; name "" sends none.
func (d *desk) upload(t *testing.T, name, text string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err := error(nil)
	for i := 0; i+1 < len(fields); i += 2 {
		err = errors.Join(err, w.WriteField(fields[i], fields[i+1]))
	}
	if name != "" {
		part, made := w.CreateFormFile("file", name)
		_, wrote := io.WriteString(part, text)
		err = errors.Join(err, made, wrote)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return d.send("POST", "/register/import", w.FormDataContentType(), b.Bytes())
}

// fill brings some invented people in, and two rows of one of them.
func (d *desk) fill(t *testing.T, n int) []registertest.Invented {
	t.Helper()
	people := registertest.People(n, 7, noon)
	twin := people[0]
	twin.ID, twin.NetIDs, twin.Cards, twin.Degrees = "ALUM-0001", nil, nil, nil
	people = append(people, twin)
	for _, k := range register.Kinds() {
		if _, bad, err := d.services.Register.Put(t.Context(), "test", k, registertest.Rows(people, k), false); err != nil || len(bad) > 0 {
			t.Fatal(bad, err)
		}
	}
	return people
}

// TestImport brings a file in: what it would do, each bad row, and what was done;
// the same again changes nothing.
func TestImport(t *testing.T) {
	d := newDesk(t)
	const file = "\xef\xbb\xbfid,surname,email\r\nP1,Chan,chan@mail.example\r\nP2,=1+1,none\r\nP3,\"<script>alert(1)</script>\",\r\nP4,\"Lee\r\n"
	w := d.upload(t, "people.csv", file, "kind", "persons", "full", "yes")
	to := strings.TrimPrefix(w.Header().Get("Location"), "/office")
	if w.Code != 303 || !strings.HasPrefix(to, "/register/import/") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := d.get(to).Body.String()
	for _, want := range []string{"want an address such as name@example.org", "a quotation mark is not closed", "Bring in what is good (2)", "Nothing is removed as long as a row is bad", "&lt;script&gt;", "people.csv"} {
		if !strings.Contains(page, want) {
			t.Errorf("the preview has no %q", want)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(d.get(to+"/rows.csv").Body.String(), "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][0] != "3" || rows[1][1] != "email" {
		t.Errorf("%v, %v", rows, err)
	}
	if w := d.post(to+"/settle", url.Values{"what": {"perhaps"}}); w.Code != 422 {
		t.Errorf("perhaps: %d", w.Code)
	}
	if w := d.post(to+"/settle", url.Values{"what": {"confirm"}}); w.Code != 303 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if page = d.get(to).Body.String(); !strings.Contains(page, "2 added, 0 changed, 0 removed") {
		t.Error("the page does not say what was done")
	}
	if w := d.post(to+"/settle", url.Values{"what": {"discard"}}); w.Code != 409 {
		t.Errorf("settled twice: %d", w.Code)
	}
	w = d.upload(t, "people.csv", "id,surname\nP1,Chan\n", "kind", "persons")
	if page = d.get(strings.TrimPrefix(w.Header().Get("Location"), "/office")).Body.String(); !strings.Contains(page, "The file changes nothing") {
		t.Error("the same again is not called so")
	}
	w = d.upload(t, "people.csv", "id,surname\nP1,Chan\n", "kind", "persons", "full", "yes")
	to = strings.TrimPrefix(w.Header().Get("Location"), "/office")
	if page = d.get(to).Body.String(); !strings.Contains(page, "This removes 1 of 2") {
		t.Error("a heavy removal is not called so")
	}
	if w := d.post(to+"/settle", url.Values{"what": {"confirm"}}); w.Code != 422 {
		t.Errorf("a heavy removal without a yes: %d", w.Code)
	}
	if w := d.post(to+"/settle", url.Values{"what": {"confirm"}, "removals": {"yes"}}); w.Code != 303 {
		t.Errorf("with one: %d", w.Code)
	}
	if _, err := d.services.Register.Person(t.Context(), "P3"); !errors.Is(err, office.ErrNotFound) {
		t.Error(err)
	}
}

// TestExportsAreInert: what a row is about starts no formula in a spreadsheet.
func TestExportsAreInert(t *testing.T) {
	d := newDesk(t)
	w := d.upload(t, "f.csv", "id,surname\nP1,Chan\n", "kind", "persons")
	d.post(strings.TrimPrefix(w.Header().Get("Location"), "/office")+"/settle", url.Values{"what": {"confirm"}})
	w = d.upload(t, "f.csv", "person,award,institution,graduated\nP1,\"=HYPERLINK(\"\"http://x\"\")\",university,2012-01-01\n", "kind", "degrees")
	text := d.get(strings.TrimPrefix(w.Header().Get("Location"), "/office") + "/rows.csv?which=added").Body.String()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != 2 || !strings.Contains(rows[1][2], "=HYPERLINK") || office.Inert(rows[1][2]) != rows[1][2] {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestBadUploads(t *testing.T) {
	d := newDesk(t)
	for name, x := range map[string]struct {
		w    *httptest.ResponseRecorder
		want string
	}{
		"no file": {d.upload(t, "", "", "kind", "persons"), "Choose a file"}, "no kind": {d.upload(t, "f.csv", "id\nP1\n"), "Say what the file has"}, "a wrong kind": {d.upload(t, "f.csv", "id\nP1\n", "kind", "dogs"), "Say what the file has"},
		"empty": {d.upload(t, "f.csv", "", "kind", "persons"), "The file is empty"}, "a workbook": {d.upload(t, "f.xlsx", "PK\x03\x04", "kind", "persons"), "is a workbook"}, "another kind": {d.upload(t, "f.csv", "person,netid\nP1,a\n", "kind", "persons"), "There is no column"},
		"no form": {d.send("POST", "/register/import", "text/plain", []byte("x")), "could not be read"}, "cut off": {d.send("POST", "/register/import", "multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\npers")), "broke off"},
	} {
		if x.w.Code != 422 || !strings.Contains(x.w.Body.String(), x.want) {
			t.Errorf("%s: %d, no %q", name, x.w.Code, x.want)
		}
	}
	for path, want := range map[string]int{"/register/import/nobodys": 404, "/register/import/nobodys/rows.csv": 404, "/register/import/template.csv?kind=dogs": 404, "/register/import/template.csv?kind=cards": 200, "/register/at/nobody": 404,
		"/register?words=x": 422, "/register?words=a&words=b": 422, "/register?words=" + strings.Repeat("x", 900): 422} {
		if w := d.get(path); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestMerge: two ids become one person and two again, with a reason.
func TestMerge(t *testing.T) {
	d := newDesk(t)
	people := d.fill(t, 3)
	if page := d.get("/register/merges").Body.String(); !strings.Contains(page, "one personal id") || !strings.Contains(page, people[0].ID) {
		t.Error("nothing is suggested")
	}
	form := url.Values{"kept": {people[0].ID}, "gone": {"ALUM-0001"}, "reason": {"<b>one</b>"}}
	if w := d.post("/register/merges", form); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := d.get("/register/at/ALUM-0001").Body.String()
	for _, want := range []string{"ALUM-0001 is an alias", people[0].ID, "known; it is shown to nobody", "&lt;b&gt;one"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the alias has no %q", want)
		}
	}
	for _, x := range people {
		if strings.Contains(page, x.Document) || strings.Contains(page, register.Normal(x.Document)) {
			t.Error("a personal id is shown")
		}
	}
	if w := d.post("/register/merges", form); w.Code != 422 || !strings.Contains(w.Body.String(), "an alias already") || !strings.Contains(w.Body.String(), `value="ALUM-0001"`) {
		t.Errorf("again: %d", w.Code)
	}
	list, err := d.services.Merges.Merges(t.Context(), "", 9)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if w := d.post("/register/merges/"+list[0].ID+"/undo", nil); w.Code != 303 {
		t.Errorf("%d", w.Code)
	}
	if w := d.post("/register/merges/"+list[0].ID+"/undo", nil); w.Code != 409 {
		t.Errorf("undone twice: %d", w.Code)
	}
	if w := d.post("/register/at/ALUM-0001/remove", nil); w.Code != 303 || d.get("/register/at/ALUM-0001").Code != 404 {
		t.Errorf("remove: %d", w.Code)
	}
	d.role = rights.Auditor // reads, and is shown no way to change anything
	for _, path := range []string{"/register/merges", "/register/at/" + people[0].ID, "/register"} {
		if body := d.get(path).Body.String(); strings.Contains(body, `method="post" action="/office/register`) {
			t.Errorf("%s has a form for an auditor", path)
		}
	}
}

// TestApart: a pair that is two persons is suggested no more, with who said so and why.
func TestApart(t *testing.T) {
	d := newDesk(t)
	people := d.fill(t, 3)
	form := url.Values{"a": {people[0].ID}, "b": {"ALUM-0001"}, "reason": {"<b>father and son</b>"}}
	if page := d.get("/register/merges?a=" + url.QueryEscape(people[0].ID) + "&b=ALUM-0001").Body.String(); !strings.Contains(page, `name="b" value="ALUM-0001"`) || !strings.Contains(page, "Perhaps the same") {
		t.Error("the form is not filled in")
	}
	for name, spoil := range map[string]func(url.Values){"no reason": func(v url.Values) { v.Set("reason", "") }, "one person": func(v url.Values) { v.Set("b", people[0].ID) }, "nobody": func(v url.Values) { v.Set("b", "nobody") }} {
		bad := url.Values{"a": form["a"], "b": form["b"], "reason": form["reason"]}
		spoil(bad)
		if w := d.post("/register/merges/apart", bad); w.Code != 422 || !strings.Contains(w.Body.String(), `name="a" value="`+people[0].ID) || !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := d.post("/register/merges/apart", form); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := d.get("/register/merges").Body.String()
	for _, want := range []string{"&lt;b&gt;father and son", "Two persons for certain", "No two persons have one personal id"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	d.role = rights.Auditor
	if page := d.get("/register/merges").Body.String(); !strings.Contains(page, "father and son") || strings.Contains(page, "They are two persons") {
		t.Error("an auditor cannot read it, or has the form")
	}
	if w := d.post("/register/merges/apart", form); w.Code != 403 {
		t.Errorf("an auditor: %d", w.Code)
	}
}

// TestCommonName: of a name that many have the first page is shown, and each other
// one can be turned to.
func TestCommonName(t *testing.T) {
	d := newDesk(t)
	rows := make([]map[string]string, 120)
	for i := range rows {
		rows[i] = map[string]string{"id": fmt.Sprintf("P%03d", i), "surname": "Chan", "given": "Ka"}
	}
	if _, bad, err := d.services.Register.Put(t.Context(), "test", register.Persons, rows, false); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	link, seen := regexp.MustCompile(`href="/office(/register\?[^"]*)" rel="next"`), 0
	next := "/register?words=chan"
	for _, want := range []int{50, 50, 20} {
		page := d.get(next).Body.String()
		if n := strings.Count(page, `<a href="/office/register/at/`); n != want {
			t.Errorf("%s shows %d, want %d", next, n, want)
		}
		m := link.FindStringSubmatch(page)
		if seen += want; (m != nil) != (seen < len(rows)) {
			t.Fatalf("after %d: next page %v", seen, m)
		}
		if m != nil {
			next = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	for _, bad := range []string{"0", "-1", "x", "1001", "99999999999999999999"} {
		if w := d.get("/register?words=chan&page=" + bad); w.Code != 422 {
			t.Errorf("page %s: %d", bad, w.Code)
		}
	}
}

// TestPagesInABrowser looks at each page in light and dark, large and on a phone.
func TestPagesInABrowser(t *testing.T) {
	d := newDesk(t)
	people := d.fill(t, 60)
	mixed := strings.Replace(string(registertest.CSV(people[:40], register.Persons)), people[3].Email, "none", 1) + "N1,New,One,,1990-02-30,,,\nN2,New,Two,新二,1990-02-03,,,\n"
	rest := strings.Replace(string(registertest.CSV(people[:40], register.Persons)), people[3].Email, "new@mail.example", 1)
	for name, text := range map[string]string{"people.csv": mixed, "left.csv": rest} {
		if w := d.upload(t, name, text, "kind", "persons", "full", "yes"); w.Code != 303 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if _, err := d.services.Merges.Merge(t.Context(), "user:chan", people[20].ID, people[21].ID, "two rows of one"); err != nil {
		t.Fatal(err)
	}
	syncs, err := d.services.SyncHistory.List(t.Context(), 9)
	if err != nil || len(syncs) != 2 {
		t.Fatal(syncs, err)
	}
	b := consoletest.Serve(t, d.console)
	for _, page := range []struct{ path, shows, name string }{
		{"/register", "Persons", "register"}, {"/register?words=chan", "Chan", "register-found"}, {"/register/at/" + people[5].ID, "Degrees", "register-person"},
		{"/register/at/" + people[20].ID, "Aliases", "register-merged"}, {"/register/import", "It is whole", "register-import"},
		{"/register/import/" + syncs[0].ID, "to remove", "register-file"}, {"/register/import/" + syncs[1].ID, "to remove", "register-file-2"}, {"/register/merges?kept=P1&gone=P2", "Perhaps the same", "register-merges"},
	} {
		b.Size(1280, 900)
		b.Open(page.path)
		b.WaitText(page.shows)
		b.Axe()
		b.Shot(page.name)
		b.Size(390, 844)
		if wide := consoletest.Eval[int](b, "document.documentElement.scrollWidth"); wide > 390 {
			t.Errorf("%s is %d pixels wide on a phone", page.path, wide)
		}
		b.Shot(page.name + "-phone")
	}
	b.Dark(true)
	b.Open("/register/at/" + people[5].ID)
	b.Click("button[lang=zh-Hant]")
	b.WaitText("學位")
	b.Axe()
	b.Shot("register-person-zh-dark")
}

func TestWords(t *testing.T) { consoletest.CheckWords(t, pages.Files(), ".", pages.Words, 125) }

// TestWordsOfCode holds what code says, here and where rows are read, to the table.
func TestWordsOfCode(t *testing.T) {
	texts := map[string]bool{}
	for _, k := range register.Kinds() {
		for _, c := range k.Columns() {
			if texts[pages.ColumnHelps()[c]] = true; pages.ColumnHelps()[c] == "" {
				t.Errorf("column %s is not explained", c)
			}
		}
	}
	for path, patterns := range map[string][]string{
		"register.go": {`say\(r, ("[^"]*")`, `refuse\(r, office\.Err[A-Za-z]+, ("[^"]*")`, `Card: +("[^"]*")`}, "file.go": {`say\(r, ("[^"]*")`, `refuse\(r, office\.Err[A-Za-z]+, ("[^"]*")`, `register\.Rows[A-Za-z]+: ("[^"]*")`},
		"merges.go": {`say\(r, ("[^"]*")`}, "../../register/record.go": {`p\.wrong\([^\n]*?, ("[^"\n]*"), (?:""|shorten|strconv)`, `\s("there is no institution[^"]*")`, `Fault\{"[a-z]*", ("[^"]*")`},
		"../../register/read.go": {`Fault\{"", ("[^"]*")`}, "../../database/register_write.go": {`Text: ("[^"]*")`}, "../../sheet/sheet.go": {`refuse\(("[^"]+")`, `fault\(("[^"]+")`},
	} {
		data, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, pattern := range patterns {
			for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(data, -1) {
				if text, err := strconv.Unquote(string(m[1])); err == nil {
					texts[text] = true
					found++
				}
			}
		}
		if found < 1 {
			t.Errorf("%s: %d texts found", path, found)
		}
	}
	for text := range texts {
		if !console.Translated(pages.Words, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
	if len(texts) < 70 {
		t.Errorf("%d texts found", len(texts))
	}
}

// FuzzForms sends each form whatever it is given: the answer is a page or leads on,
// and is no fault of central's.
func FuzzForms(f *testing.F) {
	f.Add("words=chan&kept=P1&gone=P2&reason=x&what=confirm&removals=yes&which=added")
	f.Add("what=confirm&what=discard&kept=%ff&words=%00")
	f.Add("%zz=&;")
	f.Add("reason=lent&guests=yes&guests=no")
	d := newDesk(f)
	d.holder(f)
	if _, _, err := d.services.Register.Put(f.Context(), "test", register.Persons, []map[string]string{{"id": "P1", "surname": "Chan"}, {"id": "P2", "surname": "Chan"}}, false); err != nil {
		f.Fatal(err)
	}
	s, err := d.services.Syncs.Upload(f.Context(), "test", register.Sync{Kind: register.Persons}, strings.NewReader("id,surname\nP3,Lee\nP4,\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, form string) {
		for _, path := range []string{"/register/merges", "/register/merges/merge1/undo", "/register/import/" + s.ID + "/settle", "/register/at/P9/remove", "/register/at/P1/ecard/withdraw", "/register/at/P1/ecard/return", "/register/at/P1/netids/chan/end"} {
			if w := d.send("POST", path, "application/x-www-form-urlencoded", []byte(form)); w.Code >= 500 {
				t.Errorf("POST %s %q: %d", path, form, w.Code)
			}
		}
		for _, path := range []string{"/register", "/register/merges", "/register/import/template.csv", "/register/import/" + s.ID + "/rows.csv"} {
			r := httptest.NewRequest("GET", "http://office.example/office"+path, nil)
			r.URL.RawQuery = form
			w := httptest.NewRecorder()
			if d.console.ServeHTTP(w, r); w.Code >= 500 {
				t.Errorf("GET %s?%q: %d", path, form, w.Code)
			}
		}
	})
}

// FuzzUpload sends a form with a file, whatever stands in it.
func FuzzUpload(f *testing.F) {
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\npersons\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nid,surname\nP1,Chan\n\r\n--x--\r\n"))
	f.Add([]byte("--x\r\n\r\n--x--"))
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n"))
	d := newDesk(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if w := d.send("POST", "/register/import", "multipart/form-data; boundary=x", body); w.Code >= 500 {
			t.Errorf("%q: %d", body, w.Code)
		}
	})
}
