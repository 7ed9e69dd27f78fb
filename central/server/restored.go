package server

import (
	"context"
	"fmt"
	"time"

	"turnstile/central/link"
)

// Codes of the alarms about a database that knows less than lanes do.
const (
	codeFeedBehind = "feed_behind"
	codeFeedLost   = "feed_lost"
)

// Keys returns central's key folder, "" if central sign has the keys.
func (c *Config) Keys() string {
	if c.Sign.Socket != "" {
		return ""
	}
	return c.keyFolder()
}

// compareFeed looks whether a lane knows feed events that the database does not: it
// was restored from a copy then. Events are in the database before any lane hears
// of them.
func (s *central) compareFeed(ctx context.Context, lane string, l *link.LaneState) error {
	v := s.feed.View().State
	switch {
	case l.Epoch > v.Epoch || l.Epoch == v.Epoch && l.Seq > v.Seq:
		last, err := s.db.LastSeq(ctx, l.Epoch)
		if err != nil || l.Seq <= last {
			return err
		}
		return s.alarms.Raise(ctx, codeFeedBehind, lane, fmt.Sprintf("epoch %d", l.Epoch),
			fmt.Sprintf("the lane has feed event %d, the database %d", l.Seq, last),
			"The database is an older copy, and lanes take nothing from it that contradicts what they have. Stop central, run central restore --new-epoch, and start it.")
	case l.Epoch < v.Epoch:
		_, r, err := s.db.LeastEpoch(ctx)
		if err != nil || l.Epoch != r.Epoch || l.Seq <= r.Seq {
			return err
		}
		since := "the copy was made"
		if r.Made != 0 {
			since = time.UnixMilli(r.Made).In(s.location).Format(time.RFC3339)
		}
		return s.alarms.Raise(ctx, codeFeedLost, lane, fmt.Sprintf("epoch %d", l.Epoch),
			fmt.Sprintf("the lane knew %d changes that the restored database does not have", l.Seq-r.Seq),
			"Look in mail and logs for what was revoked, held or released since "+since+", and do it again: lanes have what the restored database says.")
	}
	return nil
}
