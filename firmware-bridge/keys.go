package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"

	"turnstile/firmware-bridge/commission"
)

// key makes an installer's key, or names one.
func (t tool) key(_ context.Context, args []string) error {
	out, file := "", ""
	words, err := t.parse("key", args, func(set *flag.FlagSet) {
		set.StringVar(&out, "out", "", "with new: file to make; only you can read it")
		set.StringVar(&file, "key", "", "with show: key file")
	}, "new or show")
	if err != nil {
		return err
	}
	var k commission.Key
	switch {
	case words[0] == "new" && out != "":
		if k, err = commission.NewKey(rand.Reader); err == nil {
			err = k.Save(out)
		}
	case words[0] == "show" && file != "":
		k, err = commission.LoadKey(file)
	default:
		return t.wrong("key: use key new --out FILE, or key show --key FILE")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "fingerprint %s\npublic key  %s\n", k.Fingerprint(), k.PublicKey())
	if words[0] == "new" {
		fmt.Fprintln(t.out, "Give the fingerprint to whoever accepts your reports, by another way than the reports. Keep the file to yourself.")
	}
	return nil
}

// verify checks the signature of a report and says what it says.
func (t tool) verify(_ context.Context, args []string) error {
	wanted := ""
	files, err := t.parse("verify", args, func(set *flag.FlagSet) {
		set.StringVar(&wanted, "key", "", "fingerprint of the installer's key, as it was given to you")
	}, "REPORT file")
	if err != nil {
		return err
	}
	if wanted != "" && !commission.Fingerprint(wanted).Valid() {
		return t.wrong("verify: --key %q is no fingerprint; firmware-bridge key show --key FILE prints one, eight groups of four digits 0 to f", wanted)
	}
	file, err := readReport(files[0])
	if err != nil {
		return err
	}
	r, s, err := commission.Verify(file, commission.Fingerprint(wanted))
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "unchanged since it was signed by key %s\nlane %s, %s, by %s: %s\n", s.Fingerprint, r.Lane, r.Ended.Format("2006-01-02 15:04 MST"), r.Installer, r.Verdict)
	for _, e := range r.Results {
		fmt.Fprintf(t.out, "  %-12s %s (%s)\n", e.Outcome, e.Step.English(), e.Subject)
	}
	if wanted == "" {
		fmt.Fprintln(t.out, "Whose key that is, this cannot say: compare it with the fingerprint that the installer gave you, or give it as --key.")
	}
	return nil
}

// page makes the page of a report.
func (t tool) page(_ context.Context, args []string) error {
	out := ""
	files, err := t.parse("page", args, func(set *flag.FlagSet) { set.StringVar(&out, "out", "", "HTML file to write") }, "REPORT file")
	if err != nil {
		return err
	}
	if out == "" {
		return t.wrong("page: no --out FILE")
	}
	file, err := readReport(files[0])
	if err != nil {
		return err
	}
	html, err := commission.Page(file)
	if err != nil {
		return err
	}
	return replace(out, html)
}

// readReport reads a report file, as much of it as one may have.
func readReport(path string) ([]byte, error) {
	s, err := os.Stat(path)
	if err == nil && s.Size() > commission.MaxReport {
		return nil, fmt.Errorf("read %s: %w: over %d bytes", path, commission.ErrReport, commission.MaxReport)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return b, nil
}

// replace writes a file whole or not at all.
func replace(path string, b []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, b, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
