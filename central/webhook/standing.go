package webhook

import (
	"context"

	"turnstile/central/database"
)

// Standing is how far a webhook is and whether it takes anything.
type Standing struct {
	ID       string
	Behind   uint64 // rows of the logs that it was not told of and that were not passed over
	Failing  int64  // Unix ms since when it takes nothing, 0: it works
	Disabled bool
}

// Standings returns how all webhooks stand.
func (d *Dispatcher) Standings(ctx context.Context) ([]Standing, error) {
	hooks, err := d.config.DB.Webhooks(ctx)
	if err != nil || len(hooks) == 0 {
		return nil, err
	}
	newest, err := d.config.DB.Newest(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Standing, 0, len(hooks))
	for _, h := range hooks {
		list = append(list, Standing{h.ID, between(d.ahead(h).At, newest), h.Failing, h.Disabled != 0})
	}
	return list, nil
}

// between counts the rows from one place in the logs to another. A feed of a later
// epoch is counted whole.
func between(from, to database.Position) uint64 {
	if from.Epoch != to.Epoch {
		from.Seq = 0
	}
	return uint64(max(to.Entry-from.Entry, 0)) + uint64(max(to.Alarm-from.Alarm, 0)) + to.Seq - min(from.Seq, to.Seq)
}
