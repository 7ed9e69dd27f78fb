package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"turnstile/central/server"
)

// unit returns the lines of a unit, without comments.
func unit(t *testing.T, name string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../configs/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines[line] = true
		}
	}
	return lines
}

// hardened is what each unit of central has.
var hardened = []string{"User=turnstile", "UMask=0077", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "LockPersonality=yes", "MemoryDenyWriteExecute=yes",
	"ProtectSystem=strict", "ProtectHome=yes", "ProtectControlGroups=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes",
	"ProtectProc=invisible", "ProcSubset=pid", "PrivateDevices=yes", "PrivateTmp=yes", "PrivateUsers=yes", "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
	"SystemCallArchitectures=native", "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM", "DevicePolicy=closed"}

// TestUnitsAreHardened: a setting that is dropped from one of the units is missed.
func TestUnitsAreHardened(t *testing.T) {
	for _, name := range []string{"turnstile-central.service", "turnstile-central@.service", "turnstile-backup.service"} {
		lines := unit(t, name)
		for _, want := range hardened {
			if !lines[want] {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
	one, many := unit(t, "turnstile-central.service"), unit(t, "turnstile-central@.service")
	for line := range one {
		if own := regexp.MustCompile(`^(Description|After|ExecStart|StateDirectory)=`).MatchString(line); !own && !many[line] {
			t.Errorf("the template has no %s", line)
		}
	}
	for name, lines := range map[string]map[string]bool{"turnstile-central.service": one, "turnstile-central@.service": many} {
		// Central asks the kernel whether its clock is kept; ProtectClock= forbids that.
		if !lines["SystemCallFilter=adjtimex"] || lines["ProtectClock=yes"] {
			t.Errorf("%s does not let central ask for its clock", name)
		}
	}
}

// TestTemplateUnit: the template reads the example for several centrals under its
// name, and keeps its data where that says.
func TestTemplateUnit(t *testing.T) {
	conf, err := server.Load("../configs/central-cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := unit(t, "turnstile-central@.service")
	for _, want := range []string{"ExecStart=/usr/bin/central serve --config /etc/turnstile/central-%i.yaml", "LoadCredential=" + conf.Passphrase.Credential + ":/etc/turnstile/passphrase",
		"StateDirectory=" + strings.TrimPrefix(strings.TrimSuffix(conf.Data, conf.Name), "/var/lib/") + "%i"} {
		if !lines[want] {
			t.Errorf("no %s", want)
		}
	}
	if conf.Broker.External == nil || conf.Name == "" || conf.Database == "" || len(conf.HTTP.Proxies) == 0 || conf.HTTP.Drain == 0 {
		t.Errorf("an example for several centrals without what they need: %+v", conf.HTTP)
	}
}

// TestBackupUnit: the timer starts a command that there is, with the configuration
// of the unit of central.
func TestBackupUnit(t *testing.T) {
	all := strings.Join(mapKeys(unit(t, "turnstile-backup.service")), "\n")
	m := regexp.MustCompile(`central (backup) --config (\S+) --out (/var/lib/\S+)/`).FindStringSubmatch(all)
	if m == nil || m[2] != "/etc/turnstile/central.yaml" || !strings.Contains(all, "StateDirectory=turnstile/central "+strings.TrimPrefix(m[3], "/var/lib/")) {
		t.Errorf("the unit starts %v:\n%s", m, all)
	}
	if !unit(t, "turnstile-backup.timer")["Persistent=yes"] {
		t.Error("a machine that was off makes no backup")
	}
}

func mapKeys(m map[string]bool) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

// TestProxyExamples: the examples replace the headers that central believes, send
// live pages on at once, and hand the metrics to nobody.
func TestProxyExamples(t *testing.T) {
	for name, wants := range map[string][]string{
		"nginx.conf": {`proxy_set_header X-Forwarded-For \$remote_addr;`, `proxy_set_header X-Forwarded-Proto \$scheme;`, `proxy_set_header Forwarded "";`, `proxy_set_header Host \$http_host;`,
			`location = /office/live \{[^}]*proxy_buffering off;`, `\(metrics\|livez\|readyz\|healthz\)\$ \{\s*return 404;`, `ssl_protocols TLSv1.2 TLSv1.3;`},
		"Caddyfile": {`flush_interval -1`, `path /metrics /livez /readyz /healthz\s+respond @watchers 404`, `health_uri /readyz`, `header_up -Forwarded`},
	} {
		text, err := os.ReadFile(filepath.Join("../configs/proxy", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !regexp.MustCompile(want).Match(text) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if strings.Contains(string(text), "proxy_add_x_forwarded_for") {
			t.Errorf("%s hands on what clients write", name)
		}
		// What the example tells to configure is a configuration.
		m := regexp.MustCompile(`(?m)^#   (http: \{.*\})$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s does not say how central is configured", name)
		}
		path := filepath.Join(t.TempDir(), "central.yaml")
		if err := os.WriteFile(path, m[1], 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := server.Load(path); err != nil || len(c.HTTP.Proxies) != 1 || !strings.HasPrefix(c.HTTP.URL, "https://") {
			t.Errorf("%s: %+v, %v", name, c.HTTP, err)
		}
	}
}
