package consoletest

import (
	"context"
	"net/http/httptest"
	"testing"

	"turnstile/central/console"
)

// Serve serves a console of a test's own pages, to a browser that nobody has signed
// in at.
func Serve(t *testing.T, c *console.Console) *Browser {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	server := httptest.NewServer(c)
	t.Cleanup(func() {
		cancel()
		<-ended
		server.Close()
	})
	return (&Office{URL: server.URL}).As(t)
}
