package store

import (
	"github.com/bellhop/bellhop/internal/notify"
)

// recall removes a notification from every history, and emits the change to the readers of these
// histories. A deferred notification has no readers yet. If a user or topic of the notification
// is outside e.Within, the verdict is the same as for an unknown ID.
func (tx *txn) recall(seq notify.Sequence, e notify.Recall) error {
	p, ok, err := tx.locateKept(e.ID)
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
		published, err := readDeferred(b)
		if err != nil {
			return err
		}
		tx.removeDeferred(*p.deferred, e.ID, b)
		tx.recordRecall(seq, &published)
		return nil
	}
	tx.removing = cause{status: notify.StatusRecalled}
	n, bytes, err := tx.notification(p.sequence)
	if err != nil {
		return err
	}
	removed, _, err := tx.removeEverywhere(&n, bytes, false)
	if err != nil {
		return err
	}
	c := notify.InboxChange{Sequence: seq, Recalled: []string{n.ID()}}
	tx.emitRecalled(c, removed)
	for _, o := range withPatterns(removed) {
		if err := tx.addChange(o, &c, e.Keep); err != nil {
			return err
		}
	}
	return nil
}
