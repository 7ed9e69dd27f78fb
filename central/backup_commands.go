package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"turnstile/central/backup"
	"turnstile/central/database"
)

type backupCommand struct {
	configFlag `embed:""`
	Out        string `required:"" short:"o" placeholder:"FILE" help:"New file, which only you can read. It needs the passphrase to be of use."`
}

// Run backs up the data folder, also beside a central that runs on it.
func (x *backupCommand) Run(ctx context.Context, c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	if conf.Database != "" {
		return dumpHint(conf.Database, x.Out)
	}
	if _, err := os.Stat(conf.DatabaseName()); err != nil {
		return fmt.Errorf("%w: no database in %s; name central's data folder with --data", errUsage, conf.Data)
	}
	db, err := conf.OpenDatabase(ctx)
	if err != nil {
		return err
	}
	m, err := backup.Write(ctx, backup.Source{DB: db, Keys: conf.Keys(), Site: conf.Site, Version: programVersion(), Now: time.Now}, x.Out)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return c.show(cl, m, func() {
		fmt.Fprintf(c.out, "%s: site %s, database of %d bytes, %d key files, checked\n", x.Out, m.Site, m.Files[0].Size, len(m.Files)-1)
		if conf.Keys() == "" {
			fmt.Fprintln(c.out, "The private keys are central sign's: back up its key folder as well.")
		}
	})
}

// dumpHint says how a PostgreSQL database is backed up; a password is left out.
func dumpHint(where, out string) error {
	u, err := url.Parse(where)
	if err != nil {
		return fmt.Errorf("%w: back it up with pg_dump", database.ErrDump)
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	q.Del("password")
	u.RawQuery = q.Encode()
	return fmt.Errorf("%w: back it up with\n  pg_dump --format=custom --file='%s' '%s'\nrestore it into an empty database with pg_restore, and then, before central starts, run\n  central restore --new-epoch\nBack up the key folder as well", database.ErrDump, out, u)
}

type restoreCommand struct {
	configFlag `embed:""`
	File       string `arg:"" optional:"" placeholder:"FILE" help:"A file of central backup; the data folder must not exist, or be empty."`
	NewEpoch   bool   `help:"Restore nothing: the configured database was restored by other means, and the lanes' feed has to begin anew. Central must not run."`
}

// Run restores a backup into the data folder.
func (x *restoreCommand) Run(ctx context.Context, c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	if x.NewEpoch == (x.File != "") {
		return fmt.Errorf("%w: name a file, or --new-epoch", errUsage)
	}
	var r database.Restored
	if x.NewEpoch {
		r, err = newEpoch(ctx, conf.DatabaseName(), conf.Database == "")
	} else if conf.Database != "" {
		err = fmt.Errorf("%w: it is restored with pg_restore, and then with central restore --new-epoch", database.ErrDump)
	} else {
		_, r, err = backup.Restore(ctx, x.File, conf.Data, time.Now())
	}
	if err != nil {
		return err
	}
	return c.show(cl, r, func() {
		fmt.Fprintf(c.out, "Restored; the feed ends at event %d of epoch %d and begins anew when central starts.\n", r.Seq, r.Epoch)
		fmt.Fprintln(c.out, "What was revoked after the copy was made is not in it: do it again. Central raises the alarm feed_lost if lanes knew more.")
		fmt.Fprintln(c.out, "Everybody signs in again. API tokens that were revoked since, access and roles that were taken, stand again: look at central token list and central people list.")
		fmt.Fprintln(c.out, "Passes that were issued since open gates until their day ends, and central does not know them: issue them again; if they must not, central keys withdraw.")
	})
}

func newEpoch(ctx context.Context, where string, file bool) (r database.Restored, err error) {
	if file {
		if _, err := database.CheckFile(ctx, where); err != nil {
			return r, err
		}
	}
	db, err := database.Open(ctx, where)
	if err != nil {
		return r, err
	}
	r, err = db.NewEpoch(ctx, 0, time.Now().UnixMilli(), "restore")
	return r, errors.Join(err, db.Close())
}
