package webhook

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
)

// TestSignature holds the signature to a vector of the Standard Webhooks
// convention, and Verify to what it must refuse.
func TestSignature(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	body, at := []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)
	h := http.Header{}
	h.Set(HeaderID, "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set(HeaderTimestamp, "1614265330")
	h.Set(HeaderSignature, "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	if err := Verify(secret, h, body, at); err != nil {
		t.Errorf("the convention's own vector: %v", err)
	}
	for what, c := range map[string]struct {
		secret, id string
		body       string
		at         time.Time
		want       error
	}{
		"another body":   {secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 1}`, at, ErrSignature},
		"another id":     {secret, "msg_x", string(body), at, ErrSignature},
		"another secret": {NewSecret(), "msg_p5jXN8AQM9LWM0D4loKWxJek", string(body), at, ErrSignature},
		"no secret":      {"MfKQ", "msg_p5jXN8AQM9LWM0D4loKWxJek", string(body), at, ErrSecret},
		"too late":       {secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", string(body), at.Add(Tolerance + time.Second), ErrOld},
		"too early":      {secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", string(body), at.Add(-Tolerance - time.Second), ErrOld},
	} {
		h.Set(HeaderID, c.id)
		if err := Verify(c.secret, h, []byte(c.body), c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestURLs(t *testing.T) {
	g := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for _, good := range []string{"https://example.com/hook?x=1", "https://example.com:8443", "https://10.1.2.3/", "https://[2606:4700::1111]/"} {
		if err := g.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "example.com", "http://example.com/", "ftp://example.com/", "https://", "https://user:pw@example.com/", "https://example.com/#x", "https:example.com",
		"https://ex ample.com/", "https://example.com/\r\nX: y", "https://" + strings.Repeat("x", maxURL), "https://bücher.example/", "javascript:alert(1)", "file:///etc/passwd",
	} {
		if err := g.CheckURL(bad); !errors.Is(err, ErrURL) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
	for _, bad := range []string{"https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data", "https://192.168.0.1/", "https://[::ffff:10.2.0.1]/"} {
		if err := g.CheckURL(bad); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := (Guard{HTTP: true}).CheckURL("http://example.com/"); err != nil {
		t.Errorf("http where it is allowed: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"1.1.1.1", "8.8.4.4", "2606:4700::1111", "::ffff:1.1.1.1"} {
		if err := (Guard{}).CheckAddress(netip.MustParseAddr(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1",
		"198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "ff02::1", "fec0::1",
	} {
		if err := (Guard{}).CheckAddress(netip.MustParseAddr(bad)); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := (Guard{}).control("tcp", "not an address", nil); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
}

// TestNamesAreLookedAtWhenCalled: a name that leads to this machine passes the
// check of its text, and no connection is made all the same.
func TestNamesAreLookedAtWhenCalled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	knocked := make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			knocked <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	b := sqlite(t)
	b.guard = Guard{}
	h := database.Webhook{ID: "h", URL: "https://localhost:" + port + "/", Events: "alarm", Secret: []byte(NewSecret())}
	if err := b.db.AddWebhook(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	d, _ := b.start()
	got, err := d.Test(t.Context(), "h")
	if err != nil || got.Status != 0 || !strings.Contains(got.Problem, "webhooks.allow") {
		t.Errorf("%+v, %v", got, err)
	}
	select {
	case <-knocked:
		t.Error("central knocked at its own door")
	default:
	}
}

func FuzzURL(f *testing.F) {
	f.Add("https://example.com/hook")
	f.Add("https://[::1%25eth0]/")
	f.Add("https://0x7f.1/")
	f.Add("http://127.1:80")
	f.Fuzz(func(t *testing.T, text string) {
		if (Guard{}).CheckURL(text) == nil && !strings.HasPrefix(strings.ToLower(text), "https://") {
			t.Errorf("%q passes", text)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,AAAA", "1614265330")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, secret, signature, seconds string) {
		h := http.Header{HeaderSignature: {signature}, http.CanonicalHeaderKey(HeaderSignature): {signature}, http.CanonicalHeaderKey(HeaderTimestamp): {seconds}}
		if Verify(secret, h, nil, time.Unix(1614265330, 0)) == nil {
			key, err := secretKey(secret)
			if err != nil || !strings.Contains(signature, sign(key, "", 1614265330, nil)[:10]) && seconds == "1614265330" {
				t.Errorf("%q passes", signature)
			}
		}
	})
}
