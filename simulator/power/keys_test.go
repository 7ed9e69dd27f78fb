package power

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/agent/daemon"
	"turnstile/central/pass"
	"turnstile/simulator/machine/guest"
)

// TestGateKeys looks for an old gate key on the whole disk: when its day is over
// the agent has written over it. The search itself is tried where the bytes must be.
func TestGateKeys(t *testing.T) {
	for _, test := range []struct {
		name    string
		options string // of the mount
		end     func(k *keys, ctx context.Context) error
		left    bool // the key is on the disk afterwards
	}{
		{"overwritten at the day's end", "", (*keys).dayEnds, false},
		{"overwriting left out", "", (*keys).removed, true},
		// Every block goes through the file system's journal, where the old one stays.
		{"data journaled", "data=journal", (*keys).dayEnds, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			log := filepath.Join(results, "keys-"+strings.ReplaceAll(test.name, " ", "-")+".log")
			k := &keys{controller: newController(t, mathrand.New(mathrand.NewPCG(*seed, 0)), false, log)}
			rand.Read(k.old[:]) // never fails
			rand.Read(k.new[:])
			if err := k.told(ctx, test.options); err != nil {
				t.Fatal(err)
			}
			if on := traces(k.disk.Image(), k.old[:]); len(on) == 0 {
				t.Fatal("the key is not on the disk while it is in use: the search finds nothing")
			}
			if err := errors.Join(test.end(k, ctx), k.computer.Sync()); err != nil {
				t.Fatal(err)
			}
			image := k.disk.Content()
			if on := traces(image, k.old[:]); (len(on) > 0) != test.left {
				t.Errorf("the old key is on the disk: %v, want %v", on, test.left)
			}
			if on := traces(image, k.new[:]); !test.left && len(on) != 1 {
				t.Errorf("the next day's key is on the disk: %v, want it once", on)
			}
			t.Logf("%d MiB searched; the old key is at %v", len(image)>>20, traces(image, k.old[:]))
		})
	}
}

// keys is a lane with the gate keys of two days.
type keys struct {
	*controller
	old, new pass.GateKey // of today and tomorrow
}

// told puts the keys on the disk as a session with central does.
func (k *keys) told(ctx context.Context, options string) error {
	if err := k.on(ctx); err != nil {
		return err
	}
	if err := k.computer.Mount(guest.Mount{Device: "/dev/vda", Kind: "ext4", At: diskFolder, Options: options}); err != nil {
		return err
	}
	args := []string{"set", dataFolder + "/" + cacheName, fmt.Sprintf("%d=%x", k.day(), k.old[:]), fmt.Sprintf("%d=%x", k.day()+1, k.new[:])}
	return errors.Join(k.gatekeys(args...), k.computer.Sync())
}

// gatekeys runs that program in the guest.
func (k *keys) gatekeys(args ...string) error {
	r, err := k.computer.Run(patience, guest.Command{Args: append([]string{"/bin/gatekeys"}, args...)})
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("gatekeys ended with %d: %s", r.Code, r.Output)
	}
	return err
}

// dayEnds has the agent run two days later: yesterday's passes may reach into a
// day, so a key is kept until the day after is over.
func (k *keys) dayEnds(ctx context.Context) error {
	if err := k.computer.SetClock(time.Now().Add(48 * time.Hour)); err != nil {
		return err
	}
	if err := k.start(ctx); err != nil {
		return err
	}
	err := k.until(ctx, "the old key is forgotten", func(s daemon.Status) bool {
		return !slices.Contains(s.Feed.GateKeys, k.day().String()) && slices.Contains(s.Feed.GateKeys, (k.day()+1).String())
	})
	return errors.Join(err, k.stop())
}

// removed is what a careless agent would do.
func (k *keys) removed(context.Context) error { return k.gatekeys("delete", dataFolder+"/gatekeys") }

// traces are the places of a key on a disk, in any of the forms that a program
// might have written it in.
func traces(disk, key []byte) (at []string) {
	text := hex.EncodeToString(key)
	for form, b := range map[string][]byte{"raw": key, "hex": []byte(text), "HEX": []byte(strings.ToUpper(text)),
		"base64": []byte(base64.RawStdEncoding.EncodeToString(key)), "base64url": []byte(base64.RawURLEncoding.EncodeToString(key))} {
		for from := 0; ; {
			i := bytes.Index(disk[from:], b)
			if i < 0 {
				break
			}
			at, from = append(at, fmt.Sprintf("%s at %d", form, from+i)), from+i+1
		}
	}
	return at
}
