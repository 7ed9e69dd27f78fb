package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"turnstile/central/server"
)

// TestConfigsLoad: each example for central is loaded as strictly as serve does.
func TestConfigsLoad(t *testing.T) {
	files, err := filepath.Glob("../configs/central*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, f := range files {
		if _, err := server.Load(f); err != nil {
			t.Error(err)
		}
	}
}

// TestConfigsShowEveryKey: an operator finds each key in one of the examples.
func TestConfigsShowEveryKey(t *testing.T) {
	var all strings.Builder
	files, err := filepath.Glob("../configs/central*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	keys := yamlKeys(reflect.TypeFor[server.Config](), map[string]bool{})
	if len(keys) < 25 {
		t.Fatalf("only %d keys found in Config", len(keys))
	}
	for key := range keys {
		if !regexp.MustCompile(`(?m)(^[ #{-]*|[{,] *)` + key + `:`).MatchString(all.String()) {
			t.Errorf("no example has the key %s", key)
		}
	}
}

// yamlKeys collects the keys of a configuration struct and of all in it.
func yamlKeys(typ reflect.Type, keys map[string]bool) map[string]bool {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || !strings.HasPrefix(typ.PkgPath(), "turnstile/") {
		return keys
	}
	for f := range typ.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "-" && name != "" {
			keys[name] = true
			yamlKeys(f.Type, keys)
		}
	}
	return keys
}

// TestUnitHandsOverThePassphrase: what the unit loads is what the example reads.
func TestUnitHandsOverThePassphrase(t *testing.T) {
	unit, err := os.ReadFile("../configs/systemd/turnstile-central.service")
	if err != nil {
		t.Fatal(err)
	}
	conf, err := server.Load("../configs/central.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"LoadCredential=" + conf.Passphrase.Credential + ":/", "Type=notify", "RestartPreventExitStatus=2", "central serve --config"} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("the unit has no %s", want)
		}
	}
	if state := "StateDirectory=" + strings.TrimPrefix(conf.Data, "/var/lib/"); !strings.Contains(string(unit), state+"\n") {
		t.Errorf("the unit has no %s", state)
	}
}

// TestSignUnit: the unit of central sign makes the folders that the example names,
// gives central's group the socket, and lets the kernel tell who asks.
func TestSignUnit(t *testing.T) {
	unit, err := os.ReadFile("../configs/systemd/turnstile-sign.service")
	if err != nil {
		t.Fatal(err)
	}
	central, err := os.ReadFile("../configs/systemd/turnstile-central.service")
	if err != nil {
		t.Fatal(err)
	}
	conf, err := server.Load("../configs/central-sign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	group := regexp.MustCompile(`(?m)^Group=.*$`).FindString(string(central))
	if group == "" || len(conf.Sign.Users) == 0 || conf.Root == "" {
		t.Fatalf("group %q, %d users, root %q", group, len(conf.Sign.Users), conf.Root)
	}
	for _, want := range []string{
		"RuntimeDirectory=" + strings.TrimPrefix(filepath.Dir(conf.Sign.Socket), "/run/"), "RuntimeDirectoryMode=0750",
		"StateDirectory=" + strings.TrimPrefix(filepath.Dir(conf.Sign.Keys), "/var/lib/"), "StateDirectoryMode=0700",
		"LoadCredential=" + conf.Passphrase.Credential + ":/etc/turnstile/sign-passphrase", "ExecStart=/usr/bin/central sign --config /etc/turnstile/central.yaml",
		group, "Type=notify", "RestartPreventExitStatus=2", "PrivateUsers=no", "PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "LimitCORE=0",
		"NotifyAccess=main", "WatchdogSec=30", "MemorySwapMax=0",
	} {
		if !strings.Contains(string(unit), "\n"+want+"\n") {
			t.Errorf("the unit has no %s", want)
		}
	}
}
