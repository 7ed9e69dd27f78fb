package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// linesHelp is what the flags of a gate have in common.
const linesHelp = `
LINE is, with gpio, a line's name or its chip and number, such as RELAY1 or gpiochip0:17;
with modbus the number on the board. "!" in front of a contact turns it.
`

// help prints what a command does, as the usage says it, and its flags.
func help(w io.Writer, command string, set *flag.FlagSet) {
	for line := range strings.Lines(usage) {
		if words := strings.Fields(line); strings.HasPrefix(line, "  ") && words[0] == command {
			fmt.Fprintf(w, "firmware-bridge %s", strings.TrimSpace(line))
		}
	}
	fmt.Fprintln(w)
	set.VisitAll(func(f *flag.Flag) {
		kind, what := flag.UnquoteUsage(f)
		if !slices.Contains([]string{"", "0", "false", "0s"}, f.DefValue) {
			what += fmt.Sprintf(" (%s if not given)", f.DefValue)
		}
		fmt.Fprintf(w, "  --%s\n        %s\n", strings.TrimSpace(f.Name+" "+kind), what)
	})
	if set.Lookup("relay-in") != nil {
		fmt.Fprint(w, linesHelp)
	}
}
