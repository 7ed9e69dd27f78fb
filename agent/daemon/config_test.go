package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("../../configs/agent*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples %v, %v", files, err)
	}
	for _, f := range files {
		c, err := Load(f)
		if err != nil {
			t.Error(err)
		}
		if len(c.Lanes) == 0 || c.Lanes[0].Scanners[0].Baud == 0 {
			t.Errorf("%s: %+v", f, c)
		}
	}
}

const good = `data: d
lanes:
  - number: 1
    scanners: [{port: /dev/a}]
    gate: {driver: controller, port: /dev/b}
`

func TestDefaults(t *testing.T) {
	c, problems := parse([]byte(good))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	l := c.Lanes[0]
	if c.HTTP != defaultHTTP || l.Name != "Lane 1" || !reflect.DeepEqual(l.Scanners[0], Scanner{Driver: driverLine, Port: "/dev/a", Baud: 115200, Direction: "in"}) || l.Gate.Baud != 115200 {
		t.Errorf("%+v", c)
	}
}

// wrongs are configurations and the lines on which each is wrong.
var wrongs = map[string][]string{
	"empty": {""},
	"everything": {`datta: d
http: 0.0.0.0:80
colour: red
lanes:
  - number: 300
    zone: 16
    scanners: [{port: /dev/a, baud: 31, direction: up}]
    gate:
      driver: magic
      pulse: long
      windows: 5s
  - number: 2
    scanners:
      - port: /dev/a
      - port: /dev/c
        baud: fast
    gate: {driver: controller, port: /dev/a, window: 1h}
`, "1", "2", "3", "5", "6", "7", "7", "9", "10", "11", "14", "15", "16", "17", "17", "1"},
	"no lane":     {"data: d\n", "1"},
	"not yaml":    {"data: [\n", "1"},
	"a list":      {"- data\n", "1", "1", "1"},
	"twice":       {good + "data: e\n", "6"},
	"two of them": {good + "---\ndata: e\n", "-"},
	"gpio without relay": {`data: d
lanes:
  - number: 1
    scanners: [{port: /dev/a}]
    gate: {driver: gpio, port: /dev/b}
`, "5", "5"},
	"controller with lines": {strings.Replace(good, "port: /dev/b", "port: /dev/b, fire: X", 1), "5"},
	"three scanners":        {strings.Replace(good, "[{port: /dev/a}]", "[{port: /dev/a}, {port: /dev/c, direction: out}, {port: /dev/d}]", 1), "4", "4"},
	"no device":             {strings.Replace(good, "port: /dev/a", "baud: 9600", 1), "4"},
	"public":                {"http: example.org:80\n" + good, "1"},
	"no port":               {"http: 127.0.0.1\n" + good, "1"},
}

var lineOf = regexp.MustCompile(`^line (\d+): `)

func TestAllThatIsWrongIsListed(t *testing.T) {
	for name, w := range wrongs {
		path := filepath.Join(t.TempDir(), "agent.yaml")
		if err := os.WriteFile(path, []byte(w[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		var ce *ConfigError
		if !errors.As(err, &ce) || len(ce.Problems) == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var lines []string
		for _, p := range ce.Problems {
			m := lineOf.FindStringSubmatch(p)
			if m == nil {
				m = []string{"", "-"}
			}
			lines = append(lines, m[1])
		}
		want := slices.Clone(w[1:])
		if len(want) == 0 {
			want = []string{"-"}
		}
		slices.Sort(lines)
		slices.Sort(want)
		if !slices.Equal(lines, want) {
			t.Errorf("%s: lines %v, want %v\n%v", name, lines, want, err)
		}
	}
	if len(wrongs) < 12 {
		t.Errorf("%d configurations tried", len(wrongs))
	}
}

func TestConfigThatIsNotThere(t *testing.T) {
	var ce *ConfigError
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.As(err, &ce) {
		t.Errorf("got %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxConfig+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); !errors.As(err, &ce) {
		t.Errorf("got %v", err)
	}
}

func TestDuration(t *testing.T) {
	c, problems := parse([]byte(strings.Replace(good, "driver: controller", "driver: controller, pulse: 100ms, window: 8s", 1)))
	if len(problems) > 0 || c.Lanes[0].Gate.Pulse != Duration(100*time.Millisecond) || c.Lanes[0].Gate.Window != Duration(8*time.Second) {
		t.Errorf("%v, %+v", problems, c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	for _, w := range wrongs {
		f.Add([]byte(w[0]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxConfig {
			return
		}
		if c, problems := parse(data); len(problems) == 0 && (c.Data == "" || len(c.Lanes) == 0) {
			t.Errorf("accepted %+v", c)
		}
	})
}
