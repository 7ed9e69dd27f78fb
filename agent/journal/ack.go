package journal

import (
	"errors"
	"fmt"
	"time"

	"turnstile/central/link"
)

// rewindAfter is how much younger than the newest acknowledgement one must be
// that takes entries back. Acknowledgements of central that crossed on the way,
// or that two centrals made at about the same time, take nothing back.
const rewindAfter = time.Minute

// Ack takes central's word, made at issued (Unix ms by central's clock), that
// it has everything up to seq on its disk, with its chain value there.
//
// One below Acked, and younger than the newest, says that central lost what it
// had: it was restored from an older backup. Acked then goes back to seq, and
// what is still kept is sent again. An acknowledgement that somebody recorded
// and sends again is older than the newest one, and changes nothing.
//
// ErrOldAck if it is older than what was taken by more than crossing explains;
// ErrForked if the chain value is not this journal's: central then holds
// something else under these numbers, and nothing is dropped.
func (j *Journal) Ack(seq uint64, chain link.Hash, issued int64) error {
	j.mu.Lock()
	known, last, newest, rewound := j.acked, j.durable.seq, j.issued, j.rewound
	j.mu.Unlock()
	switch {
	case seq > last:
		return fmt.Errorf("%w: entry %d, the newest is %d", ErrForked, seq, last)
	case seq < known && issued < newest+rewindAfter.Milliseconds():
		return stale(issued, newest)
	case seq > known && issued < rewound: // made before central lost something
		return stale(issued, rewound)
	}
	if err := j.checkChain(seq, chain); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.acked != known {
		return nil // another came meanwhile; central says it again
	}
	if seq < known {
		j.rewound = issued
	}
	j.acked, j.issued = seq, max(newest, issued)
	j.weigh()
	j.poke()
	return nil
}

// stale judges an acknowledgement that does nothing. One that is much older than
// what the lane took was recorded and is sent again, or central's clock was set
// back; others cross on the way.
func stale(issued, taken int64) error {
	if issued >= taken-rewindAfter.Milliseconds() {
		return nil
	}
	return fmt.Errorf("%w: of %s, one of %s was taken", ErrOldAck, time.UnixMilli(issued).UTC().Format(time.DateTime), time.UnixMilli(taken).UTC().Format(time.DateTime))
}

// checkChain compares central's chain value with the journal's. Where entries
// are not kept any more or cannot be read there is nothing to compare with, and
// nothing to be dropped either: central's signature is enough.
func (j *Journal) checkChain(seq uint64, chain link.Hash) error {
	own, err := j.chainAt(seq)
	var gap *Gap
	switch {
	case errors.Is(err, ErrDropped) || errors.As(err, &gap):
		return nil
	case err != nil:
		return fmt.Errorf("check acknowledgement: %w", err)
	case own != chain:
		return fmt.Errorf("%w: entry %d: chain %s here, %s at central", ErrForked, seq, own, chain)
	}
	return nil
}
