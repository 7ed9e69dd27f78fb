package ledger

import (
	"fmt"

	"turnstile/central/database"
	"turnstile/central/link"
)

// CodeCommand is the alarm of a lane that obeyed a command which central never gave.
const CodeCommand = "command_unknown"

const nextCommand = "Compare with central's audit and the cameras. If central was not put back to an older backup, somebody else signs in its name: " +
	"change the role keys (central root roles)."

// answers writes down what fresh entries say of commands, and names those that
// were never given.
func (l *Ledger) answers(tx *database.LedgerTx, in *incoming, fresh []database.Row, received int64) error {
	first, last := fresh[0].Seq, fresh[len(fresh)-1].Seq
	for i := range in.answers {
		e := &in.answers[i]
		if e.Seq < first || e.Seq > last {
			continue
		}
		known, err := tx.AnswerCommand(in.lane, e, int64(last-e.Seq), received)
		if err != nil {
			return err
		}
		if known || e.Type != link.EntryGranted {
			continue
		}
		number, _ := e.Command()
		if err := tx.Raise(database.Alarm{Code: CodeCommand, Lane: in.lane, Subject: fmt.Sprint(number), Latest: received,
			Detail: fmt.Sprintf("lane %d, entry %d: it opened for command %d", e.Lane, e.Seq, number), Next: nextCommand}); err != nil {
			return err
		}
	}
	return nil
}
