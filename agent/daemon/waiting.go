package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"turnstile/agent/health"
	"turnstile/agent/journal"
)

// openOrWait opens the journal. While its disk does not let it, there are no lanes
// and the gates stay shut, as fire release and the gates' own keys allow; the pages
// say why, and systemd is told that this process is well.
func (a *agent) openOrWait(ctx context.Context) (*journal.Journal, journal.Report, error) {
	w := &waiting{agent: a}
	defer w.end()
	return journal.OpenOrWait(ctx, filepath.Join(a.config.Data, journalFolder), journal.Options{Now: a.o.Now}, func(err error) { w.tell(ctx, err) })
}

// waiting is an agent that waits for its disk.
type waiting struct {
	*agent
	server *http.Server // nil: not yet
	ended  chan struct{}
}

// tell is called with each failure.
func (w *waiting) tell(ctx context.Context, err error) {
	if w.warnings.Raise(health.JournalFault, "", err.Error()) {
		w.log.Error("journal cannot be opened; no gate is opened until it can", "err", err)
		w.notify(daemon.SdNotifyReady)
		w.begin(ctx)
	}
	w.notify(daemon.SdNotifyWatchdog)
}

// begin serves what is wrong at the pages' address.
func (w *waiting) begin(ctx context.Context) {
	w.server, w.ended = server(ctx, onlyHere(http.HandlerFunc(w.answer))), make(chan struct{})
	go func() {
		defer close(w.ended)
		w.server.Serve(kept{w.listener}) // ends with end
	}()
}

func (w *waiting) answer(to http.ResponseWriter, _ *http.Request) {
	to.Header().Set("Content-Type", "application/json")
	to.Header().Set("Retry-After", "5")
	to.WriteHeader(http.StatusServiceUnavailable)
	json.NewEncoder(to).Encode(map[string]any{"warnings": w.warnings.List()}) // the client may have gone
}

// end leaves the address to the pages.
func (w *waiting) end() {
	if w.server == nil {
		return
	}
	w.warnings.Clear(health.JournalFault, "")
	deadline := w.listener.(interface{ SetDeadline(time.Time) error })
	deadline.SetDeadline(time.Now()) // Accept returns
	<-w.ended
	w.server.Close()
	deadline.SetDeadline(time.Time{})
}

// kept is a listener that outlives its server, which ends when a deadline is over.
type kept struct{ net.Listener }

// Accept takes the deadline for the end: a server would only try again.
func (k kept) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, http.ErrServerClosed
	}
	return c, err
}

// Close leaves it open.
func (kept) Close() error { return nil }
