package passes_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"turnstile/central/console/consoletest"
	"turnstile/central/mail"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
)

// post is a mail server that keeps what it gets.
type post struct {
	mu   sync.Mutex // guards the following
	got  []string
	last string
}

func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return &letter{post: p}, nil }

func (p *post) addressees() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.got...)
}

// letter is one connection.
type letter struct {
	*post
	to string
}

func (*letter) Reset()                               {}
func (*letter) Logout() error                        { return nil }
func (*letter) Mail(string, *smtp.MailOptions) error { return nil }

func (l *letter) Rcpt(to string, _ *smtp.RcptOptions) error {
	l.to = to
	return nil
}

func (l *letter) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got, l.last = append(l.got, l.to), string(data)
	return err
}

// takeMail starts a mail server and returns central's settings for it.
func takeMail(t *testing.T) (*post, server.Mail) {
	t.Helper()
	p := &post{}
	s := smtp.NewServer(p)
	s.Domain = "localhost"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return p, server.Mail{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "Campus passes <passes@campus.example>", Security: mail.None}
}

// TestOfficeDay is a day of the office at a real central: a file of guests is
// issued and mailed, an eCard approved, a person revoked by two persons.
func TestOfficeDay(t *testing.T) {
	mails, settings := takeMail(t)
	o := consoletest.Start(t, func(c *server.Config) { c.Mail, c.Office.TwoPersonsAbove = settings, 2 })
	zone, err := time.LoadLocation(o.Config.Timezone)
	if err != nil {
		t.Fatal(err)
	}
	tomorrow := time.Now().In(zone).AddDate(0, 0, 1).Format(time.DateOnly)
	path := filepath.Join(t.TempDir(), "guests.csv")
	text := "\xef\xbb\xbfkind,holder,day,guest_name,email\r\n"
	for _, guest := range []string{"Grace Hopper,grace@example.org", "陳大文,", "محمد علي,", "O'Brien,"} {
		text += "guest,A1234567," + tomorrow + "," + guest + "\r\n"
	}
	if err := os.WriteFile(path, []byte(text+"guest,B,"+tomorrow+",,\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := o.As(t, rights.Issuer)
	b.Open("/passes/import")
	b.Upload("input[type=file]", path)
	b.Click("main form button")
	b.WaitText("a pass of kind guest needs the guest's name")
	b.Click("button[value=issue]")
	b.WaitText("Done at")
	var list office.PassList
	if o.Call(t, "GET", "/passes?holder=A1234567", nil, &list, 200); len(list.Passes) != 4 {
		t.Fatalf("%d passes", len(list.Passes))
	}
	b.Open("/passes?words=hopper")
	b.Click("#selection tbody th a")
	b.Wait("(document.querySelector('ul.mails') || {innerText: ''}).innerText.includes('grace@example.org')")
	for limit := time.Now().Add(consoletest.Patience); len(mails.addressees()) == 0 && time.Now().Before(limit); {
		b.Open("/passes?words=hopper") // each page takes its time
	}
	if got := mails.addressees(); len(got) != 1 || got[0] != "grace@example.org" || !strings.Contains(mails.last, "image/png") {
		t.Errorf("mailed to %v", got)
	}

	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 600, 800)), nil); err != nil {
		t.Fatal(err)
	}
	o.Call(t, "POST", "/applications", map[string]any{"kind": "ecard", "holder": "A1234567", "name": "First Last", "photo": picture.Bytes()}, nil, 201)
	second := o.As(t, rights.Approver)
	second.Open("/approvals")
	second.Click("th[scope=row] a")
	second.Wait("document.querySelector('img.photo').naturalWidth === 600")
	second.Click("#approve")
	second.WaitText("No application waits.")

	b.Open("/passes/bulk?holder=A1234567")
	b.Fill("input[name=reason]", "left the university")
	b.Click("main button.danger")
	b.WaitText("Somebody else has to confirm it")
	second.WaitText("Revoke 4 passes") // by itself
	second.Shot("approvals-second-person")
	second.Click("ul.cards a")
	second.Click("button.danger")
	second.WaitText("4 passes are changed.")
	b.WaitText("4 passes are changed.") // by itself
	b.WaitText("No lane is enrolled yet.")
	b.Wait("!document.querySelector('form[action$=withdraw]')") // nobody is asked any more
	b.Shot("passes-change-done")
	if o.Call(t, "GET", "/passes?holder=A1234567&status=revoked", nil, &list, 200); len(list.Passes) != 4 || list.Passes[0].Reason != "left the university" {
		t.Errorf("%+v", list.Passes)
	}
}
