package devmail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"os"
	"strings"
	"testing"

	"turnstile/central/console/consoletest"
	"turnstile/central/mail/mailtest"
)

// start runs a catcher until the test ends.
func start(t *testing.T, o Options) *Catcher {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// multi is a mail as central sends one.
const multi = "Subject: =?UTF-8?Q?Your_code_=E9=80=9A=E8=A1=8C?=\r\nContent-Type: multipart/related; boundary=o\r\n\r\n" +
	"--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n" +
	"--i\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nTwo=\r\n words =E9=80=9A\r\n" +
	"--i\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<p onclick=\"x()\">Two words</p><script>document.title='run'</script><img src=\"cid:code.png\" alt=\"code\">\r\n--i--\r\n" +
	"--o\r\nContent-Type: image/png; name=code.png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <code.png>\r\nContent-Disposition: inline; filename=code.png\r\n\r\n" + pixel + "\r\n--o--\r\n"

func send(t *testing.T, c *Catcher, to, text string) {
	t.Helper()
	if err := smtp.SendMail(c.SMTPAddress(), nil, "central@campus.example", []string{to}, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *Catcher, path string) (int, string, http.Header) {
	t.Helper()
	answer, err := http.Get(c.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body), answer.Header
}

func TestCaught(t *testing.T) {
	c := start(t, Options{})
	send(t, c, "a@example.org", multi)
	send(t, c, "b@example.org", "Subject: second\r\n\r\nplain\r\n")
	list, err := c.Wait(t.Context(), "A@example.org", 1)
	if err != nil {
		t.Fatal(err)
	}
	m := list[0]
	if m.Subject != "Your code 通行" || m.Text != "Two words 通" || m.Wrong != "" || len(m.Parts) != 1 || m.Parts[0].ID != "code.png" || !m.Parts[0].Picture() || m.TLS {
		t.Errorf("%+v", m)
	}
	if all := c.Mails(""); len(all) != 2 || all[0].Subject != "second" || all[0].Text != "plain\n" {
		t.Errorf("%+v", all)
	}
	var read []Mail
	if _, body, _ := get(t, c, "/mails?to=a@example.org"); json.Unmarshal([]byte(body), &read) != nil || len(read) != 1 || read[0].Subject != m.Subject || len(read[0].Parts[0].Data) == 0 {
		t.Errorf("%+v", read)
	}
	if _, body, _ := get(t, c, "/mails?to=nobody@example.org"); strings.TrimSpace(body) != "[]" {
		t.Errorf("of nobody: %s", body)
	}
	_, body, h := get(t, c, "/mails/"+m.ID+"/html")
	if !strings.Contains(body, "data:image/png;base64,"+pixel) || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") {
		t.Errorf("%v %s", h, body)
	}
	if code, body, h := get(t, c, "/mails/"+m.ID+"/parts/0"); code != http.StatusOK || h.Get("Content-Type") != "image/png" || !strings.HasPrefix(body, "\x89PNG") {
		t.Errorf("%d %v", code, h)
	}
	for _, path := range []string{"/mails/99", "/mails/99/html", "/mails/" + m.ID + "/parts/1", "/mails/" + m.ID + "/parts/-1", "/mails/" + m.ID + "/parts/x", "/nowhere"} {
		if code, _, _ := get(t, c, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// TestBounds: memory is bounded however much comes.
func TestBounds(t *testing.T) {
	c, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.mail.Close()
	defer c.web.Close()
	for i := range maxMails + 20 {
		c.keep("", []string{fmt.Sprint(i)}, false, []byte("Subject: x\r\n\r\n"))
	}
	if list := c.Mails(""); len(list) != maxMails || list[0].To[0] != fmt.Sprint(maxMails+19) {
		t.Errorf("%d mails", len(list))
	}
	big := make([]byte, maxMail)
	for range 20 {
		c.keep("", []string{"big"}, false, big)
	}
	if c.size > maxAll || len(c.Mails("big")) != maxAll/maxMail {
		t.Errorf("%d bytes in %d mails", c.size, len(c.Mails("")))
	}
	c.Clear()
	if len(c.Mails("")) != 0 || c.size != 0 {
		t.Error("not forgotten")
	}
}

func TestTooLarge(t *testing.T) {
	c := start(t, Options{})
	err := smtp.SendMail(c.SMTPAddress(), nil, "a@campus.example", []string{"b@example.org"}, make([]byte, maxMail+1024))
	if err == nil || len(c.Mails("")) != 0 {
		t.Errorf("%v, %d mails", err, len(c.Mails("")))
	}
}

// TestStartTLS: what central insists on in the field works here too.
func TestStartTLS(t *testing.T) {
	own, authority := mailtest.Certificate(t)
	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	c := start(t, Options{TLS: own})
	client, err := smtp.Dial(c.SMTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = errors.Join(client.StartTLS(&tls.Config{RootCAs: pool, ServerName: "localhost"}), client.Mail("a@campus.example"), client.Rcpt("b@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "Subject: x\r\n\r\ny\r\n")
	if err := errors.Join(w.Close(), client.Quit()); err != nil {
		t.Fatal(err)
	}
	if list := c.Mails("b@example.org"); len(list) != 1 || !list[0].TLS {
		t.Errorf("%+v", list)
	}
}

func TestLoopbackAlone(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "localhost:0", "mail.example:25"} {
		if c, err := Open(Options{SMTP: address}); !errors.Is(err, ErrLoopback) {
			t.Errorf("mail at %s: %v %v", address, c, err)
		}
		if c, err := Open(Options{Listen: address}); !errors.Is(err, ErrLoopback) {
			t.Errorf("the page at %s: %v %v", address, c, err)
		}
	}
	if _, err := Open(Options{SMTP: "nowhere"}); err == nil {
		t.Error("an address without a port")
	}
}

// TestOtherSites: a page of another site reads no mail, by its own name for this
// machine or from its own page.
func TestOtherSites(t *testing.T) {
	c := start(t, Options{})
	ask := func(method, path, host, site string) int {
		r, err := http.NewRequest(method, c.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	for host, want := range map[string]int{"": 200, "localhost:1": 200, "[::1]:1": 200, "evil.example": 421, "evil.example:8025": 421, "192.0.2.1": 421} {
		if got := ask(http.MethodGet, "/mails", host, ""); got != want {
			t.Errorf("as %q: %d", host, got)
		}
	}
	if got := ask(http.MethodPost, "/clear", "", "cross-site"); got != http.StatusForbidden {
		t.Errorf("another site clears: %d", got)
	}
	if got := ask(http.MethodPost, "/clear", "", "same-origin"); got != http.StatusSeeOther {
		t.Errorf("the page clears: %d", got)
	}
}

// TestPages: in a browser, the list grows by itself, a mail's own script does not
// run, and axe finds nothing.
func TestPages(t *testing.T) {
	c := start(t, Options{})
	b := consoletest.Browse(t, c.URL())
	b.Open("/")
	b.Axe()
	send(t, c, "a@example.org", multi)
	b.Wait("document.querySelectorAll('#list li').length == 1")
	b.Axe()
	if href := consoletest.Eval[string](b, "document.querySelector('#list a').getAttribute('href')"); href != "/mails/1" {
		t.Errorf("the link goes to %s", href)
	}
	b.Open("/mails/1")
	b.Wait("document.querySelector('iframe') && document.querySelector('.parts img').naturalWidth == 1")
	if title := consoletest.Eval[string](b, "document.title"); title != "Your code 通行 · dev-mail" {
		t.Errorf("the title is %q", title)
	}
	b.Axe()
}

// FuzzParse: whatever comes is shown or named as broken, within bounds.
func FuzzParse(f *testing.F) {
	f.Add([]byte(multi))
	f.Add([]byte("Subject: x\n\ny"))
	f.Add([]byte(strings.Repeat("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", 9)))
	f.Add([]byte("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!"))
	f.Add([]byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := Parse(raw)
		if len(m.Parts) > maxParts || len(m.Text)+len(m.HTML) > 4*len(raw)+64 {
			t.Errorf("%d parts, %d bytes of %d", len(m.Parts), len(m.Text)+len(m.HTML), len(raw))
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}
