package osdpreader

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/serialport"
)

// What a line is configured with is refused with what is wrong, and no error holds a key.
func TestConfig(t *testing.T) {
	good := newRig(t, nil).config
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(good.Readers[0].KeyFile, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*BusConfig)
		want   error // nil: any
	}{
		"no port":         {func(c *BusConfig) { c.Port.Path = "" }, serialport.ErrNoPath},
		"rate":            {func(c *BusConfig) { c.Port.Baud = 4800 }, ErrRate},
		"poll":            {func(c *BusConfig) { c.Poll = time.Millisecond }, nil},
		"no reader":       {func(c *BusConfig) { c.Readers = nil }, nil},
		"same address":    {func(c *BusConfig) { c.Readers[1].Address = 0 }, nil},
		"address":         {func(c *BusConfig) { c.Readers[1].Address = 127 }, nil},
		"text":            {func(c *BusConfig) { c.Readers[1].TextBytes = -1 }, nil},
		"cUID":            {func(c *BusConfig) { c.Readers[1].CUID = "12" }, nil},
		"master, no cUID": {func(c *BusConfig) { c.Readers[1].Master = true }, ErrMaster},
		"no key":          {func(c *BusConfig) { c.Readers[1].KeyFile = "" }, ErrKeyFile},
		"key not there":   {func(c *BusConfig) { c.Readers[1].KeyFile = "nowhere" }, fs.ErrNotExist},
		"key a link":      {func(c *BusConfig) { c.Readers[1].KeyFile = link }, ErrKeyFile},
		"key a folder":    {func(c *BusConfig) { c.Readers[1].KeyFile = t.TempDir() }, ErrKeyFile},
		"key for all":     {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, keyText(1), 0o644) }, fs.ErrPermission},
		"key for a group": {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, keyText(1), 0o640) }, fs.ErrPermission},
		"key short":       {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, keyText(1)[1:], 0o600) }, osdp.ErrKeyText},
		"key long":        {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, strings.Repeat(keyText(1), 9), 0o600) }, osdp.ErrKeyText},
		"key no digits":   {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, "g"+keyText(1)[1:], 0o600) }, osdp.ErrKeyText},
		"default key":     {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, "303132333435363738393A3B3C3D3E3F", 0o600) }, osdp.ErrWeakKey},
		"zero key":        {func(c *BusConfig) { c.Readers[1].KeyFile = keyFile(t, strings.Repeat("0", 32), 0o600) }, osdp.ErrWeakKey},
	} {
		bad := good
		bad.Readers = slices.Clone(good.Readers)
		c.change(&bad)
		err := bad.Check()
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), keyText(1)[1:8]) || strings.Contains(err.Error(), "3031323") {
			t.Errorf("%s: the error holds a key: %v", name, err)
		}
		if _, err := NewBus(bad); err == nil {
			t.Errorf("%s: NewBus takes it", name)
		}
	}
	if _, err := ReadKey(keyFile(t, strings.Repeat("0", 32), 0o600)); !errors.Is(err, osdp.ErrWeakKey) {
		t.Errorf("a weak key: %v", err)
	}
	owner := good
	owner.Readers = []ReaderConfig{{KeyFile: keyFile(t, keyText(1)+"\r\n", 0o400), CUID: "0011223344556677", Master: true}}
	if err := owner.Check(); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}
