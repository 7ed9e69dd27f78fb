package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Version tells which version of something pages show now, for instance the
// newest ledger number; any text. It is asked about twice a second while a page
// that shows it is open, so it costs microseconds.
//
// A ping carries this text and nothing else: what is new is fetched by the page
// itself, with the rights of its person. Looking at the database instead of
// being told works with several centrals as well.
type Version func(context.Context) (string, error)

// Times of the live stream.
const (
	lookEvery = 500 * time.Millisecond
	beatEvery = 15 * time.Second // a comment, so that proxies keep the stream
	lifetime  = 5 * time.Minute  // then the browser comes again, with a session that still holds or not
	sendLimit = 10 * time.Second
	maxLive   = 1000 // open streams
)

// hub looks at the versions that open pages show and pings them.
type hub struct {
	sources map[string]Version
	log     *slog.Logger
	ended   chan struct{} // closed when run returns

	mu      sync.Mutex // guards the following
	clients map[chan ping][]string
	known   map[string]string
}

type ping struct{ topic, version string }

func newHub(sources map[string]Version, log *slog.Logger) *hub {
	return &hub{sources: sources, log: log, ended: make(chan struct{}), clients: map[chan ping][]string{}, known: map[string]string{}}
}

// run looks until ctx ends, and then ends all streams. It runs once.
func (h *hub) run(ctx context.Context) error {
	defer close(h.ended)
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			for _, topic := range h.wanted() {
				h.look(ctx, topic)
			}
		}
	}
}

// wanted lists the topics of open pages.
func (h *hub) wanted() (topics []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.clients {
		topics = append(topics, list...)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

func (h *hub) look(ctx context.Context, topic string) {
	v, err := h.sources[topic](ctx)
	if err != nil {
		if ctx.Err() == nil {
			h.log.Warn("look at a live topic", "topic", topic, "cause", err)
		}
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known[topic] == v {
		return
	}
	h.known[topic] = v
	for c, topics := range h.clients {
		if !slices.Contains(topics, topic) {
			continue
		}
		select {
		case c <- ping{topic, v}:
		default: // it has pings to come, and will fetch everything new at once
		}
	}
}

// join adds a page; nil if there are too many.
func (h *hub) join(topics []string) chan ping {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.clients) >= maxLive {
		return nil
	}
	c := make(chan ping, 16)
	h.clients[c] = topics
	return c
}

func (h *hub) leave(c chan ping) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

// live is the stream of server-sent events of one page: ?topics=passages,lanes.
func (c *Console) live(r *Request) error {
	topics := strings.Split(r.URL.Query().Get("topics"), ",")
	for _, t := range topics {
		if c.options.Live[t] == nil {
			return r.Missing()
		}
	}
	pings := c.hub.join(topics)
	if pings == nil {
		r.Writer.Header().Set("Retry-After", "30")
		r.Writer.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	defer c.hub.leave(pings)
	r.Writer.Header().Set("Content-Type", "text/event-stream")
	r.Writer.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	c.stream(r, pings)
	return nil
}

// stream sends pings until the page goes away or its session ends.
func (c *Console) stream(r *Request, pings chan ping) {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	end := time.NewTimer(lifetime)
	defer end.Stop()
	send := func(text string) bool {
		control := http.NewResponseController(r.Writer)
		control.SetWriteDeadline(time.Now().Add(sendLimit))
		_, err := fmt.Fprint(r.Writer, text)
		return err == nil && control.Flush() == nil
	}
	for ok := send("retry: 2000\n\n"); ok; {
		select {
		case <-r.Context().Done():
			return
		case <-c.hub.ended:
			return
		case <-end.C:
			return
		case p := <-pings:
			ok = send(fmt.Sprintf("event: %s\ndata: %s\n\n", p.topic, oneLine(p.version)))
		case <-beat.C:
			ok = send(": beat\n\n")
		}
	}
}

func oneLine(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }
