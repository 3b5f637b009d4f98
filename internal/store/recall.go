package store

import (
	"github.com/bellhop/bellhop/internal/notify"
)

// recall removes a notification from every history, and emits the change to the readers
// who had it. A deferred one has no readers yet. A notification with a user or topic
// outside e.Within is answered as if it did not exist.
func (tx *txn) recall(seq notify.Sequence, e notify.Recall) error {
	p, ok, err := locate(tx.batch, e.ID)
	if err == nil && ok {
		ok, err = tx.reaches(e.Within, p)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return notify.Errorf(notify.ErrNotFound, "there is no notification with this id, any more or yet")
	case p.deferred != nil:
		b, err := get(tx.batch, deferredKey(*p.deferred))
		if err != nil {
			return err
		}
		tx.removeDeferred(*p.deferred, e.ID, b)
		tx.remove(idKey(e.ID))
		return nil
	}
	n, bytes, err := tx.notification(p.sequence)
	if err != nil {
		return err
	}
	holders, _, err := tx.removeEverywhere(&n, bytes, false)
	if err != nil {
		return err
	}
	c := notify.InboxChange{Sequence: seq, Recalled: []string{n.ID()}}
	tx.emitRecalled(c, holders)
	for _, o := range withPatterns(holders) {
		if err := tx.addChange(o, &c, e.Keep); err != nil {
			return err
		}
	}
	return nil
}
