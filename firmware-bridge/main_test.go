package main

import (
	"bytes"
	"context"
	"testing"

	"turnstile/firmware-bridge/gate/gpio"
)

func TestExitCodes(t *testing.T) {
	cases := []struct {
		args []string
		want int
		errs bool // something is said on standard error
	}{
		{[]string{"help"}, exitGood, false},
		{[]string{"version"}, exitGood, false},
		{[]string{"find"}, exitGood, false},
		{[]string{"listen", "--help"}, exitGood, true},
		{nil, exitUsage, true},
		{[]string{"open"}, exitUsage, true},
		{[]string{"listen"}, exitUsage, true},
		{[]string{"listen", "--port", "/dev/null", "--baud", "250000"}, exitUsage, true},
		{[]string{"listen", "--prot", "/dev/null"}, exitUsage, true},
		{[]string{"listen", "/dev/null"}, exitUsage, true},
		{[]string{"pulse", "--port", "/dev/null", "--direction", "up"}, exitUsage, true},
		{[]string{"pulse"}, exitUsage, true},
		{[]string{"watch"}, exitUsage, true},
	}
	for _, c := range cases {
		var out, errs bytes.Buffer
		if got := (tool{out: &out, errs: &errs, hostErr: gpio.ErrNoChip}).run(context.Background(), c.args); got != c.want {
			t.Errorf("%q: exit code %d, want %d: %s", c.args, got, c.want, errs.String())
		}
		if c.errs != (errs.Len() > 0) || c.want == exitGood && !c.errs && out.Len() == 0 {
			t.Errorf("%q said %q and %q", c.args, out.String(), errs.String())
		}
	}
}
