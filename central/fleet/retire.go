package fleet

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"turnstile/central/database"
)

// Retire takes a lane controller's rights away at once and for good; ErrUnknown
// if there is none. Its entries stay in the ledger, and its name on the list of
// those that were.
func (f *Fleet) Retire(ctx context.Context, by, lane, reason string) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	if err := f.refresh(ctx); err != nil {
		return err
	}
	m := f.member(lane)
	if m == nil {
		return fmt.Errorf("%w: %.40q", ErrUnknown, lane)
	}
	now := f.config.Now().UnixMilli()
	err := f.config.DB.RemoveLane(ctx, database.Retired{Lane: lane, At: now, By: by, Reason: reason}, removed(m, now))
	if errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("%w: %.40q", ErrUnknown, lane)
	}
	if err != nil {
		return fmt.Errorf("retire lane %s: %w", lane, err)
	}
	f.mu.Lock()
	delete(f.lanes, lane)
	f.version++
	f.mu.Unlock()
	f.config.Removed(ctx, lane)
	return nil
}

// Remove is Retire without a reason.
func (f *Fleet) Remove(ctx context.Context, by, lane string) error {
	return f.Retire(ctx, by, lane, "")
}

// Revoke takes a lane controller's certificate and keys away at once, as after a
// theft. It keeps its place and may enrol again. ErrUnknown if it is not enrolled.
func (f *Fleet) Revoke(ctx context.Context, by, lane, reason string) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	if err := f.refresh(ctx); err != nil {
		return err
	}
	m := f.member(lane)
	if m == nil || m.row.Enrolled == 0 {
		return fmt.Errorf("%w: %.40q", ErrUnknown, lane)
	}
	now := f.config.Now().UnixMilli()
	err := f.config.DB.RevokeCertificate(ctx, m.row.Certificate, database.Retired{Lane: lane, At: now, By: by, Reason: reason}, removed(m, now))
	if errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("%w: %.40q", ErrUnknown, lane)
	}
	if err != nil {
		return fmt.Errorf("revoke certificate of lane %s: %w", lane, err)
	}
	f.mu.Lock()
	f.put(lane, &member{row: database.Lane{ID: lane, Since: now}})
	f.reports = slices.DeleteFunc(f.reports, func(r database.Report) bool { return r.Lane == lane })
	f.mu.Unlock()
	f.config.Removed(ctx, lane)
	return nil
}

// removed is the row that refuses a member's certificate from now on.
func removed(m *member, now int64) database.Removed {
	c, err := x509.ParseCertificate(m.row.Certificate)
	if err != nil {
		return database.Removed{} // it never had one
	}
	return database.Removed{Serial: hex.EncodeToString(c.SerialNumber.Bytes()), Lane: m.row.ID, Removed: now, Expires: m.row.Expires}
}
