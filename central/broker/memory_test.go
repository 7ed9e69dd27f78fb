package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"
)

// fullDisk lets this process write no byte to any file until the function that
// it returns is called.
func fullDisk(t *testing.T) (release func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: unix.RLIM_INFINITY}, &old); err != nil {
		t.Fatal(err)
	}
	release = func() {
		if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &old, nil); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(release)
	if err := os.WriteFile(filepath.Join(t.TempDir(), "probe"), []byte("x"), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	return release
}

// TestFullDisk: neither retained messages nor acknowledgements of QoS 1 need the
// disk, while it is full and afterwards.
func TestFullDisk(t *testing.T) {
	h := newHouse(t)
	_, url := startEmbedded(t, h, &sync.Map{})
	central := mustConnect(t, url, "central", h.central(t))
	lanes := 0
	look := func(want string) {
		t.Helper()
		for got := ""; got != "tg/1/campus/feed/head="+want; { // nats-server answers a publisher before it keeps what is retained
			if lanes++; lanes > 100 {
				t.Fatalf("a lane gets %s, want %s", got, want)
			}
			id := fmt.Sprintf("N%d", lanes)
			lane := mustConnect(t, url, id, h.client(h.lane(t, id)))
			if lane.subscribe(t, "tg/1/campus/feed/#") == subscriptionFailed {
				t.Fatal("a lane may not read the feed")
			}
			got = lane.next(t)
			lane.publish(t, fmt.Sprintf("tg/1/campus/a/%s/up/state", id), "birth", 1, true)
			lane.Disconnect(0)
		}
	}
	central.publish(t, "tg/1/campus/feed/head", "before", 1, true)
	look("before")
	release := fullDisk(t)
	central.publish(t, "tg/1/campus/feed/head", "meanwhile", 1, true)
	look("meanwhile")
	release()
	central.publish(t, "tg/1/campus/feed/head", "after", 1, true)
	look("after")
}

// TestNothingInFiles looks at what nats-server made once a client came: it makes
// any stream that it does not find, and as a file.
func TestNothingInFiles(t *testing.T) {
	h := newHouse(t)
	e, url := startEmbedded(t, h, &sync.Map{})
	central := mustConnect(t, url, "central", h.central(t))
	token := central.Subscribe("tg/1/campus/#", 1, nil) // makes a consumer, which may have a store of its own
	if !token.WaitTimeout(patience) {
		t.Fatal("no SUBACK")
	}
	central.publish(t, "tg/1/campus/feed/head", "head", 1, true)
	central.expect(t, "tg/1/campus/feed/head=head")
	var v *server.JSInfo
	until(t, "what is retained is kept", func() bool { // nats-server answers a publisher before
		v = jetStream(t, e)
		return v.Memory > 0
	})
	streams := 0
	for _, a := range v.AccountDetails {
		for _, s := range a.Streams {
			streams++
			if s.Config.Storage != server.MemoryStorage {
				t.Errorf("%s is kept in %s", s.Name, s.Config.Storage)
			}
		}
	}
	if want := len(inMemory()); streams != want {
		t.Errorf("%d streams with %d bytes, want %d", streams, v.Memory, want)
	}
	if err := e.Health(); err != nil {
		t.Errorf("a broker with room is not well: %v", err)
	}
	files := 0
	err := filepath.WalkDir(e.config.Store, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
			t.Errorf("a file: %s", path)
		}
		return err
	})
	if err != nil || files > 0 {
		t.Errorf("%d files in the store, %v", files, err)
	}
}

// jetStream is what nats-server says of its streams.
func jetStream(t *testing.T, e *Embedded) *server.JSInfo {
	t.Helper()
	v, err := e.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Config: true, Consumer: true})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOldStoreIsForgotten: files of a broker that kept any are not gone on with.
func TestOldStoreIsForgotten(t *testing.T) {
	store := t.TempDir()
	old := filepath.Join(store, server.JetStreamStoreDir, "$G", "streams", "$MQTT_rmsgs")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := forget(store); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old store is still there: %v", err)
	}
	if err := forget(store); err != nil {
		t.Errorf("nothing to forget: %v", err)
	}
}

// TestNoRoom: a full or stopped store has a name.
func TestNoRoom(t *testing.T) {
	with := func(memory uint64, disabled bool) *server.JSInfo {
		return &server.JSInfo{Disabled: disabled, JetStreamStats: server.JetStreamStats{Memory: memory}}
	}
	for _, c := range []struct {
		v    *server.JSInfo
		want error
	}{{with(0, false), nil}, {with(maxMemory/2, false), nil}, {with(maxMemory, false), ErrMemory}, {with(0, true), ErrMemory}} {
		if err := room(c.v); !errors.Is(err, c.want) {
			t.Errorf("%d bytes, disabled %t: %v", c.v.Memory, c.v.Disabled, err)
		}
	}
}
