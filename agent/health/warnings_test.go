package health

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run TestWarningsAreWritten -update

var update = flag.Bool("update", false, "write WARNINGS.md anew")

// TestWarningsAreWritten holds the list that people read to the one that lanes use.
func TestWarningsAreWritten(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Warnings of a lane controller\n\nThe same codes stand on the lane's page, in `agent status`, in the metric `turnstile_warning{code=…}` and in what the lane tells central\n" +
		"(`central lanes`). *Alarm*: somebody must look now. *Warning*: something must be done, the lane goes on. *Notice*: heals by itself, or is worth knowing.\n\n" +
		"| code | severity | next step |\n| --- | --- | --- |\n")
	for _, c := range Codes() {
		d := table[c]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.name, d.severity, d.nextStep)
	}
	b.WriteString("\nMade from the table in health.go by `go generate`.\n")
	const file = "WARNINGS.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() || len(Codes()) < 40 {
		t.Errorf("%s is not the list of %d codes: run go generate ./agent/health", file, len(Codes()))
	}
}
