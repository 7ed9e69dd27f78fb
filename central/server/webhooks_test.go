package server

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/webhook"
)

// TestWebhooksAreTold runs the whole of central with a lane, and a program that is
// told of a revocation and of each passage: signed, in order, and without a name.
func TestWebhooksAreTold(t *testing.T) {
	var mu sync.Mutex
	var told []string // bodies
	secret := ""
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err := webhook.Verify(secret, r.Header, body, time.Now()); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		told = append(told, string(body))
	}))
	defer receiver.Close()
	c := configure(t)
	c.Webhooks = Webhooks{Allow: []string{"127.0.0.1"}, CA: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(c.Webhooks.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, c)
	a := r.api(t)

	if code := a.call(t, "POST", "/webhooks", map[string]any{"url": "https://169.254.169.254/latest", "events": []string{"alarm"}}, nil); code != 422 {
		t.Errorf("a webhook to the cloud's metadata: %d", code)
	}
	var hook office.WebhookSecretBody
	mu.Lock()
	code := a.call(t, "POST", "/webhooks", map[string]any{"url": receiver.URL, "events": []string{"revocation", "passage"}}, &hook)
	secret = hook.Secret
	mu.Unlock()
	if code != 201 || !strings.HasPrefix(secret, "whsec_") {
		t.Fatalf("%d %+v", code, hook)
	}
	var test office.DeliveryBody
	if code := a.call(t, "POST", "/webhooks/"+hook.ID+"/test", nil, &test); code != 200 || !test.Delivered || test.Status != 200 {
		t.Errorf("test: %d %+v", code, test)
	}
	l := r.enrol(t, a, "N1")
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	testSpine(t, a, l)
	types := func() (list []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, body := range told {
			var e struct{ Type string }
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			list = append(list, e.Type)
		}
		return list
	}
	eventually(t, "all events", func() bool {
		list := types()
		return slices.Contains(list, "pass.revoked") && slices.Contains(list, "passage.recorded")
	})
	eventually(t, "the list of deliveries", func() bool {
		var list office.DeliveryList
		return a.call(t, "GET", "/webhooks/"+hook.ID+"/deliveries", nil, &list) == 200 && len(list.Deliveries) >= 3
	})
	mu.Lock()
	defer mu.Unlock()
	for _, body := range told {
		if strings.Contains(body, "Guest") || strings.Contains(body, "20012345") {
			t.Errorf("a name went out: %s", body)
		}
	}
	row, err := os.ReadFile(filepath.Join(c.Data, "central.db"))
	if err != nil || strings.Contains(string(row), strings.TrimPrefix(secret, "whsec_")) {
		t.Errorf("the secret stands in the database in the open, %v", err)
	}
}
