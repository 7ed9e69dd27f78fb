package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/inspect"
	"turnstile/firmware-bridge/scanner/keyboard"
	"turnstile/firmware-bridge/serialport"
)

// find lists what hangs on this computer, and what answers if asked to.
func (t tool) find(ctx context.Context, args []string) error {
	var only []string
	probing := false
	_, err := t.parse("find", args, func(set *flag.FlagSet) {
		set.BoolVar(&probing, "probe", false, "ask each free port who is there, and set nothing. This SENDS BYTES: unplug what must not get any, stop the agent first")
		set.Func("port", "look at this serial port only; may be given again", func(p string) error {
			only = append(only, p)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if probing {
		fmt.Fprintln(t.errs, "probing sends bytes to every port that is listed and that no program holds; opening a port can restart the board behind it")
	}
	ports := named(only)
	fmt.Fprintf(t.out, "serial ports: %d\n", len(ports))
	for _, p := range ports {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.findPort(ctx, p, probing, len(only) > 0)
	}
	if len(ports) == 0 {
		fmt.Fprintln(t.out, "  none: plug a scanner or an adapter in; a UART of the board may have to be switched on in its device tree")
	}
	if len(only) > 0 {
		return nil
	}
	t.findKeyboards()
	t.findLines()
	t.findCameras()
	return nil
}

// named are the ports to look at: all of the computer, or those of the command line.
func named(only []string) []serialport.Found {
	if len(only) == 0 {
		return serialport.List()
	}
	var all []serialport.Found
	for _, p := range only {
		device, err := filepath.EvalSymlinks(p)
		if err != nil {
			device = p // what is wrong with it is said below
		}
		all = append(all, serialport.Found{Path: p, Device: device, Usable: true})
	}
	return all
}

// findPort says what is known of a port. A console is probed only if the port
// was asked for by its name.
func (t tool) findPort(ctx context.Context, p serialport.Found, probing, asked bool) {
	fmt.Fprintf(t.out, "  %s -> %s\n", printable(p.Path), printable(p.Device))
	if plug := t.computer.Plug("tty", p.Device).String(); plug != "" {
		fmt.Fprintf(t.out, "      %s\n", plug)
	}
	if _, err := os.Stat(p.Device); err != nil {
		fmt.Fprintf(t.out, "      not there: check the plug and the name\n")
		return
	}
	if !t.computer.Serial(p.Device) {
		fmt.Fprintf(t.out, "      not a serial port\n")
		return
	}
	if denied := t.computer.Denied(p.Device); denied != "" {
		fmt.Fprintf(t.out, "      %s\n", denied)
		return
	}
	// A pseudo-terminal is always held by whoever plays its far end; the lock
	// that each opening takes has to do.
	if holders := t.computer.Holders(p.Device); len(holders) > 0 && !strings.HasPrefix(p.Device, "/dev/pts/") {
		fmt.Fprintf(t.out, "      in use by %s: stop it to use or probe this port\n", people(holders))
		return
	}
	console := t.computer.Console(p.Device)
	if console {
		fmt.Fprintf(t.out, "      console of this computer: take console=%s off its kernel's command line to use this port\n", filepath.Base(p.Device))
	}
	if !probing || console && !asked {
		return
	}
	fmt.Fprintf(t.errs, "      asking who is there; until silence is certain it takes half a minute\n")
	for _, said := range probe(ctx, p.Path) {
		fmt.Fprintf(t.out, "      %s\n", printable(said))
	}
}

// people lists programs.
func people(holders []inspect.Holder) string {
	var names []string
	for _, h := range holders {
		names = append(names, fmt.Sprintf("%s (process %d)", h.Name, h.PID))
	}
	return strings.Join(names, ", ")
}

// findKeyboards lists what types, because scanners come set to that.
func (t tool) findKeyboards() {
	found, err := keyboard.Find(os.DirFS("/"))
	if err != nil {
		fmt.Fprintf(t.out, "keyboards: cannot tell: %v\n", err)
		return
	}
	found = slices.DeleteFunc(found, func(k keyboard.Found) bool { return k.Hint == "" })
	fmt.Fprintf(t.out, "scanners in keyboard mode: %d\n", len(found))
	for _, k := range found {
		fmt.Fprintf(t.out, "  %s (%04x:%04x) %s\n      %v\n", printable(k.Name), k.Vendor, k.Product, printable(k.Hint), refusal(k))
	}
}

// refusal says why a keyboard is not used, and what to do.
func refusal(k keyboard.Found) error {
	if err := keyboard.Refuse(k.Event); err != nil {
		return err
	}
	return keyboard.ErrKeyboard
}

// findLines lists the GPIO lines that have a name or a user, and counts the others.
func (t tool) findLines() {
	lines, err := gpioline.List()
	chips := map[string]int{}
	for _, l := range lines {
		chips[l.Chip]++
	}
	fmt.Fprintf(t.out, "GPIO: %d lines of %d chips\n", len(lines), len(chips))
	if err != nil {
		fmt.Fprintf(t.out, "  %v\n", err)
	}
	for _, chip := range t.deniedChips() {
		fmt.Fprintf(t.out, "  %s\n", chip)
	}
	unnamed := 0
	for _, l := range lines {
		if l.Name == "" && l.Consumer == "" {
			unnamed++
			continue
		}
		note := ""
		if l.Consumer != "" {
			note = "  used by " + printable(l.Consumer)
		}
		fmt.Fprintf(t.out, "  %-24s %s%s\n", printable(l.Name), l.Where(), note)
	}
	if unnamed > 0 {
		fmt.Fprintf(t.out, "  %d free lines without a name, used as CHIP:NUMBER\n", unnamed)
	}
}

// deniedChips lists the GPIO chips that this user may not use, and what to do.
func (t tool) deniedChips() []string {
	var all []string
	nodes, _ := filepath.Glob("/dev/gpiochip*") // the pattern is constant and valid
	for _, n := range nodes {
		if denied := t.computer.Denied(n); denied != "" {
			all = append(all, n+": "+denied)
		}
	}
	return all
}

// findCameras lists cameras.
func (t tool) findCameras() {
	cameras := t.computer.Cameras()
	fmt.Fprintf(t.out, "cameras: %d\n", len(cameras))
	for _, c := range cameras {
		fmt.Fprintf(t.out, "  %s -> %s  %s\n", printable(c.Path), c.Device, c.Name)
		if denied := t.computer.Denied(c.Device); denied != "" {
			fmt.Fprintf(t.out, "      %s\n", denied)
		}
	}
}

// inspectPort looks at the plug behind a port.
func inspectPort(t tool, path string) inspect.Plug {
	device, err := filepath.EvalSymlinks(path)
	if err != nil {
		return inspect.Plug{}
	}
	return t.computer.Plug("tty", device)
}
