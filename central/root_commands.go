package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/server"
)

// rootCommand is the ceremony of an offline root. new, show and sign need no
// central: they run on a machine that is on no network.
type rootCommand struct {
	New     rootNewCommand     `cmd:"" help:"Make the root's keys, each in a file with its own passphrase or on paper."`
	Show    rootShowCommand    `cmd:"" help:"Show public keys, or what a request asks for."`
	Sign    rootSignCommand    `cmd:"" help:"Sign a delegation request with one key."`
	Install rootInstallCommand `cmd:"" help:"Give central the signatures, on its machine."`
	Roles   rootRolesCommand   `cmd:"" help:"Make new keys for the keyset and status roles, on central's machine."`
}

type rootNewCommand struct {
	Keys       int      `default:"3" help:"How many keys, for as many people."`
	Threshold  int      `default:"2" help:"How many of them have to sign."`
	Out        string   `required:"" short:"o" placeholder:"DIR" help:"Folder for root.json, and for the keys."`
	Passphrase []string `placeholder:"FILE" help:"File with the first key's passphrase; again for each further key. Without, they are asked for."`
	Paper      bool     `help:"Print the keys instead of writing files. They are not shown again."`
}

func (x *rootNewCommand) Run(c *console, cl *cli) error {
	if x.Threshold < 1 || x.Threshold > x.Keys || x.Keys > issuer.MaxRoots {
		return fmt.Errorf("%w: %d of %d keys: want 1 to %d keys, and not more to sign than there are", errUsage, x.Threshold, x.Keys, issuer.MaxRoots)
	}
	if len(x.Passphrase) > 0 && (x.Paper || len(x.Passphrase) != x.Keys) {
		return fmt.Errorf("%w: want --passphrase once for each of the %d keys, and not with --paper", errUsage, x.Keys)
	}
	if err := os.MkdirAll(x.Out, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	root := link.Root{Threshold: x.Threshold}
	for n := range x.Keys {
		k := issuer.NewRootKey()
		root.Keys = append(root.Keys, k.Public())
		if err := x.keep(c, n, k); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return fmt.Errorf("encode root: %w", err)
	}
	path := filepath.Join(x.Out, "root.json")
	if err := newFile(path, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return c.show(cl, root, func() {
		c.printRoot(root)
		fmt.Fprintf(c.out, "Wrote %s: copy it to central and name it there as root in the configuration.\nGive each key to another person, and keep none together with its passphrase.\n", path)
	})
}

// keep writes one key into its file, or prints it.
func (x *rootNewCommand) keep(c *console, n int, k *issuer.RootKey) error {
	if x.Paper {
		fmt.Fprintf(c.out, "Key %d of %d, %s\n\n%s\n", n+1, x.Keys, keyWord(k.Public()), k.Text())
		return nil
	}
	file := ""
	if len(x.Passphrase) > 0 {
		file = x.Passphrase[n]
	}
	phrase, err := c.passphrase(file, fmt.Sprintf("Passphrase for key %d of %d", n+1, x.Keys))
	if err != nil {
		return err
	}
	data, err := k.Seal(phrase)
	if err != nil {
		return fmt.Errorf("%w: key %d: %w", errUsage, n+1, err)
	}
	return newFile(filepath.Join(x.Out, fmt.Sprintf("root-%d.key", n+1)), data, 0o600)
}

// newFile writes a file that must not be there yet: a key is not made twice.
func newFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %s exists already; choose another folder", errUsage, path)
	}
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// keyWord names a public key so that people can compare it.
func keyWord(k ed25519.PublicKey) string {
	id := link.IDOf(k)
	return "key id " + hex.EncodeToString(id[:])
}

func (c *console) printRoot(r link.Root) {
	fmt.Fprintf(c.out, "The root: %d of these %d keys must sign.\n", r.Threshold, len(r.Keys))
	for n, k := range r.Keys {
		fmt.Fprintf(c.out, "  %d  %s\n", n+1, keyWord(k))
	}
}

// passphrase reads the first line of a file, or asks on the terminal.
func (c *console) passphrase(file, question string) ([]byte, error) {
	if file == "" {
		return c.askSecret(question)
	}
	return issuer.Passphrase{File: file}.Read()
}

// maxRootFile bounds what the ceremony reads of any file, in bytes.
const maxRootFile = 64 << 10

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRootFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

type rootShowCommand struct {
	File string `arg:"" help:"root.json, or a delegation.request."`
}

func (x *rootShowCommand) Run(c *console, cl *cli) error {
	data, err := readSmall(x.File)
	if err != nil {
		return err
	}
	if r, err := issuer.ParseRequest(data); err == nil {
		return c.show(cl, r, func() { c.printRequest(r) })
	}
	root, err := issuer.ParseRoot(data)
	if err != nil {
		return fmt.Errorf("%w: %s is neither a root.json nor a delegation request: %w", errUsage, x.File, err)
	}
	return c.show(cl, root, func() { c.printRoot(*root) })
}

// printRequest prints what somebody is about to sign.
func (c *console) printRequest(r *issuer.Request) {
	fmt.Fprintf(c.out, "Delegation %d of the site %s, until %s.\n", r.Version, r.Site, r.Expires.UTC().Format(time.DateOnly))
	for _, list := range []struct {
		name string
		keys []ed25519.PublicKey
	}{{"pass keys and gate keys", r.Keyset}, {"the feed, rules and answers", r.Status}} {
		for _, k := range list.keys {
			fmt.Fprintf(c.out, "  may sign %s: %s\n", list.name, keyWord(k))
		}
	}
	c.printRoot(link.Root{Keys: r.Roots, Threshold: r.Threshold})
	if r.Before != nil {
		fmt.Fprintf(c.out, "It takes over from another root, of which %d of these must sign too (central's own signs by itself):\n", r.Before.Threshold)
		for _, k := range r.Before.Keys {
			fmt.Fprintf(c.out, "     %s\n", keyWord(k))
		}
	}
}

type rootSignCommand struct {
	Request    string `arg:"" help:"The delegation.request of central's key folder."`
	Key        string `placeholder:"FILE" help:"File of the key, such as root-1.key."`
	Paper      bool   `help:"Type the key from paper, on standard input."`
	Passphrase string `placeholder:"FILE" help:"File with the key's passphrase. Without, it is asked for."`
	Out        string `required:"" short:"o" placeholder:"FILE" help:"Where to write the signature. It is no secret."`
}

func (x *rootSignCommand) Run(c *console, cl *cli) error {
	if (x.Key == "") == !x.Paper {
		return fmt.Errorf("%w: want either --key FILE or --paper", errUsage)
	}
	data, err := readSmall(x.Request)
	if err != nil {
		return err
	}
	r, err := issuer.ParseRequest(data)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errUsage, x.Request, err)
	}
	k, err := x.key(c)
	if err != nil {
		return err
	}
	signature, err := r.Sign(k)
	if err != nil {
		return err
	}
	if err := newFile(x.Out, []byte(base64.StdEncoding.EncodeToString(signature)+"\n"), 0o644); err != nil {
		return err
	}
	return c.show(cl, r, func() {
		c.printRequest(r)
		fmt.Fprintf(c.out, "Signed with %s; the signature is in %s.\n", keyWord(k.Public()), x.Out)
	})
}

// key opens the key from its file, or reads what is typed.
func (x *rootSignCommand) key(c *console) (*issuer.RootKey, error) {
	if x.Paper {
		text, err := io.ReadAll(io.LimitReader(c.in, maxRootFile))
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		return issuer.ParseRootKey(string(text))
	}
	data, err := readSmall(x.Key)
	if err != nil {
		return nil, err
	}
	phrase, err := c.passphrase(x.Passphrase, "Passphrase of "+x.Key)
	if err != nil {
		return nil, err
	}
	return issuer.OpenRootKey(data, phrase)
}

type rootInstallCommand struct {
	configFlag `embed:""`
	Signatures []string `arg:"" help:"The signatures that central root sign wrote."`
}

func (x *rootInstallCommand) Run(_ context.Context, c *console, cl *cli) error {
	var signatures [][]byte
	for _, path := range x.Signatures {
		text, err := readSmall(path)
		if err != nil {
			return err
		}
		s, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
		if err != nil {
			return fmt.Errorf("%w: %s is no signature of central root sign: %w", errUsage, path, err)
		}
		signatures = append(signatures, s)
	}
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	state, err := server.InstallDelegation(conf, signatures)
	if err != nil {
		return err
	}
	return c.show(cl, state, func() {
		fmt.Fprintf(c.out, "Delegation %d is installed and lasts until %s. A running central takes it by itself; else: central serve\n", state.Version, state.Expires.UTC().Format(time.DateOnly))
	})
}

type rootRolesCommand struct {
	configFlag `embed:""`
	Cancel     bool `help:"Give up the keys that wait for an offline root; those in force stay."`
}

// Run makes the keys; the root's word puts them in force.
func (x *rootRolesCommand) Run(_ context.Context, c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	if x.Cancel {
		return c.cancelRoles(cl, conf)
	}
	state, err := server.NewRoles(conf)
	if err != nil {
		return err
	}
	return c.show(cl, state, func() {
		fmt.Fprintln(c.out, "New keys for the keyset and status roles wait in the key folder.")
		if state.Offline {
			fmt.Fprintf(c.out, "They are in force when the root has delegated to them: sign %s with the root's keys (central root sign) and install the signatures (central root install). To give them up: central root roles --cancel\n", state.Request)
			return
		}
		fmt.Fprintln(c.out, "A running central delegates to them within seconds, else at its next start: central serve. Then central keys list shows a higher version.")
	})
}

func (c *console) cancelRoles(cl *cli, conf server.Config) error {
	state, err := server.CancelRoles(conf)
	if err != nil {
		return err
	}
	return c.show(cl, state, func() {
		fmt.Fprintf(c.out, "The new role keys are given up; delegation %d stays in force.\n", state.Version)
		fmt.Fprintln(c.out, "If root keys have signed for them, destroy those signatures: lanes that get enough of them believe keys that nobody has any more.")
	})
}
