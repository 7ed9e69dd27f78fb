package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"turnstile/central/audit"
	"turnstile/central/link"
)

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Verify the audit log: of a running central, or an export in a file."`
	Export auditExportCommand `cmd:"" help:"Take the audit log away as a file that can be verified elsewhere."`
}

// exportLimit is how long an export may take.
const exportLimit = time.Hour

// stream returns an answer of any size as it comes.
func (c *client) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	slow := c.http
	slow.Timeout = exportLimit
	answer, err := slow.Do(r)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		if err != nil {
			return nil, &brokenError{err}
		}
		return nil, problemOf(answer.StatusCode, c.base, data)
	}
	return answer.Body, nil
}

type auditExportCommand struct {
	Out string `required:"" short:"o" placeholder:"FILE" help:"Where to; a file that stands is not written over."`
}

func (x *auditExportCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	in, err := api.stream(ctx, "/audit/export")
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(x.Out, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: write export: %w", errUsage, err)
	}
	_, err = io.Copy(f, in)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write export: %w", err), f.Close(), os.Remove(x.Out))
	}
	check, _, err := audit.Check(f, nil, nil) // also that it came whole
	if err != nil {
		return errors.Join(fmt.Errorf("%w; the file %s was kept", err, x.Out), f.Close())
	}
	return errors.Join(f.Close(), c.reportAudit(cl, check))
}

type auditVerifyCommand struct {
	File string `arg:"" optional:"" type:"existingfile" help:"An export; without one the running central is asked for its log, which is verified here."`
	Head string `placeholder:"NUMBER:HASH" help:"A head that you noted before: the log must still have it."`
	Key  string `placeholder:"HEX" help:"Id of the one key that may have signed the heads; without, all that the export names count."`
}

func (x *auditVerifyCommand) Run(ctx context.Context, c *console, cl *cli) error {
	head, err := x.noted()
	if err != nil {
		return err
	}
	in, err := x.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer in.Close()
	found := head.Number == 0
	check, _, err := audit.Check(in, nil, func(e audit.Entry) error {
		found = found || e.Number == head.Number
		if e.Number == head.Number && e.Hash != head.Head {
			return &audit.Fault{Number: e.Number, Reason: "is not the one that was noted"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		return &audit.Fault{Number: check.Number + 1, Reason: fmt.Sprintf("missing, up to the noted %d", head.Number)}
	}
	for id := range check.Signers {
		if x.Key != "" && hex.EncodeToString(id[:]) != x.Key {
			return fmt.Errorf("%w: heads are signed by the key %x", audit.ErrBroken, id)
		}
	}
	return c.reportAudit(cl, check)
}

// noted reads --head.
func (x *auditVerifyCommand) noted() (head audit.End, err error) {
	if x.Key != "" {
		if id, err := hex.DecodeString(x.Key); err != nil || len(id) != len(link.KeyID{}) {
			return head, fmt.Errorf("%w: --key wants 16 digits 0-9 a-f", errUsage)
		}
	}
	if x.Head == "" {
		return head, nil
	}
	number, hash, ok := strings.Cut(x.Head, ":")
	if head.Number, err = strconv.ParseInt(number, 10, 64); !ok || err != nil || head.Number < 1 || head.Head.UnmarshalText([]byte(hash)) != nil {
		return head, fmt.Errorf("%w: --head wants NUMBER:HASH as export and verify print it", errUsage)
	}
	return head, nil
}

func (x *auditVerifyCommand) open(ctx context.Context, c *console, cl *cli) (io.ReadCloser, error) {
	if x.File != "" {
		f, err := os.Open(x.File)
		if err != nil {
			return nil, fmt.Errorf("%w: open export: %w", errUsage, err)
		}
		return f, nil
	}
	api, err := cl.client(c)
	if err != nil {
		return nil, err
	}
	return api.stream(ctx, "/audit/export")
}

// reportAudit says what a good chain proves, and which head to note.
func (c *console) reportAudit(cl *cli, check *audit.Checker) error {
	signers := []string{}
	for id, n := range check.Signers {
		signers = append(signers, fmt.Sprintf("%x (%d)", id, n))
	}
	head := fmt.Sprintf("%d:%s", check.Number, check.Head)
	return c.show(cl, map[string]any{"good": true, "entries": check.Number, "head": head, "erased": check.Erased, "signed_heads": check.Anchors, "signed_up_to": check.Anchored, "signers": signers}, func() {
		fmt.Fprintf(c.out, "%d entries, none changed, missing or out of order; %d erased.\n", check.Number, check.Erased)
		fmt.Fprintf(c.out, "%d signed heads, the last of entry %d, by %s\n", check.Anchors, check.Anchored, strings.Join(signers, ", "))
		fmt.Fprintf(c.out, "head %s\n", head)
		fmt.Fprintln(c.err, "Note the head elsewhere; later: central audit verify --head", head)
	})
}
