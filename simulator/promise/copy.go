package promise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"turnstile/agent/journal"
	"turnstile/central/link"
)

// CopyJournal reads the journal of a lane controller that may be running: its
// files are copied, and the copy is opened as after a power cut.
func CopyJournal(controller, data, scratch string) (j Journal, err error) {
	j.Controller = controller
	from, to := filepath.Join(data, "journal"), filepath.Join(scratch, controller)
	if err := os.RemoveAll(to); err != nil {
		return j, fmt.Errorf("copy journal: %w", err)
	}
	if err := copyFolder(from, to); err != nil {
		return j, fmt.Errorf("copy journal: %w", err)
	}
	k, report, err := journal.Open(to, journal.Options{})
	if err != nil {
		return j, fmt.Errorf("open copy of journal: %w", err)
	}
	if report.Lost != nil || report.Damaged > 0 {
		return j, errors.Join(fmt.Errorf("the journal of %s is damaged: %d segments", controller, report.Damaged), report.Lost, k.Close())
	}
	j.ID, j.Acked = fmt.Sprintf("%x", k.ID()), k.Acked()
	err = k.Replay(k.First(), func(e link.Entry) error {
		j.Entries = append(j.Entries, e)
		return nil
	})
	return j, errors.Join(err, k.Close())
}

// copyFolder copies the files of a flat folder; one that vanishes meanwhile was
// a spare segment that came into use under another name, and is not missed.
func copyFolder(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
