package database

import "context"

// DocumentVersion is one version of a named document.
type DocumentVersion struct {
	Version uint64
	Body    string
	At      int64 // Unix ms
	By      string
	Reason  string // "" for what needs none
}

func scanVersion(r rowScanner) (v DocumentVersion, err error) {
	return v, r.Scan(&v.Version, &v.Body, &v.At, &v.By, &v.Reason)
}

// DocumentVersions returns versions of a named document below before, the newest
// first; 0: from the newest on.
func (d *DB) DocumentVersions(ctx context.Context, name string, before uint64, limit int) ([]DocumentVersion, error) {
	var c conditions
	c.add("name = ?", name)
	if before != 0 {
		c.add("version < ?", int64(before))
	}
	where := c.where()
	return all(ctx, d.sql, scanVersion, `SELECT version, body, at, by, reason FROM documents `+where+` ORDER BY version DESC LIMIT `+c.parameter(limit), c.args...)
}
