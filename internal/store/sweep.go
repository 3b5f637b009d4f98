package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// sweepMost is how many things one Sweep removes, so that a publish never waits
// for long behind one.
const sweepMost = 500

// Due reports whether a Sweep applied now would find something to remove.
func (s *Store) Due(now time.Time, e notify.Sweep) (bool, error) {
	snap := s.db.NewSnapshot()
	defer snap.Close()
	b, err := get(snap, []byte{kindState})
	if err != nil || b == nil {
		return false, err
	}
	st, err := readState(b)
	if err != nil {
		return false, err
	}
	if e.MaxBytes > 0 && st.bytes > uint64(e.MaxBytes) {
		return true, nil
	}
	due := false
	err = eachEnd(snap, now, func([]byte) (bool, error) { due = true; return false, nil })
	if due || err != nil {
		return due, err
	}
	err = eachNotification(snap, func(n *notify.Notification, _ int) (bool, error) {
		due = now.Sub(n.Time) >= e.Retention
		return false, nil
	})
	return due, err
}

// sweep removes what is past its time, and reports whether there is more.
func (g *group) sweep(e notify.Sweep) (more bool, err error) {
	left := sweepMost
	err = eachEnd(g.batch, g.at, func(key []byte) (bool, error) {
		if left == 0 {
			more = true
			return false, nil
		}
		left--
		return true, g.end(key)
	})
	if err != nil || more {
		return more, err
	}
	err = eachNotification(g.batch, func(n *notify.Notification, size int) (bool, error) {
		tooMuch := e.MaxBytes > 0 && g.state.bytes > uint64(e.MaxBytes)
		if !tooMuch && g.at.Sub(n.Time) < e.Retention {
			return false, nil // and so are all after it
		}
		if left == 0 {
			more = true
			return false, nil
		}
		left--
		return true, g.removeAll(n, size, true)
	})
	return more, err
}

// end removes what an end key stands for, and the key.
func (g *group) end(key []byte) error {
	g.remove(key)
	t, kind, ref := endOf(key)
	switch kind {
	case kindNotification:
		seq := notify.Sequence(binary.BigEndian.Uint64(ref))
		n, size, err := g.notification(seq)
		if err != nil {
			return err
		}
		return g.removeAll(&n, size, false)
	case kindKey:
		name := idempotencyKey([32]byte(ref))
		b, err := get(g.batch, name)
		if err != nil || b == nil {
			return err
		}
		used, err := readUsedKey(b)
		if err != nil {
			return err
		}
		if !used.at.Add(notify.KeyLifetime).After(t) { // not used anew since
			g.remove(name)
		}
		return nil
	}
	return errCorrupt
}

// removeAll takes n out of every history that still has it. What retention
// removes leaves a hole that is announced; what expired is gone on purpose.
func (g *group) removeAll(n *notify.Notification, size int, retention bool) error {
	owners := make([]owner, 0, max(1, len(n.Users)))
	for _, u := range n.Users {
		owners = append(owners, ofUser(u))
	}
	if n.Audience == notify.AudienceAll {
		owners = append(owners, everyone())
	}
	for _, o := range owners {
		if err := g.takeOut(o, n, retention); err != nil {
			return err
		}
	}
	g.forget(n, size)
	return nil
}

func (g *group) takeOut(o owner, n *notify.Notification, retention bool) error {
	held, err := g.has(o.toldKey(n.Sequence))
	if err != nil || !held { // the history was full and has dropped it
		return err
	}
	h, err := readHistoryOf(g.batch, o)
	if err != nil {
		return err
	}
	h.kept--
	if retention && n.Sequence > h.removed {
		h.removed, h.removedTime = n.Sequence, n.Time
	}
	g.remove(o.toldKey(n.Sequence))
	g.set(o.historyKey(), h.append(nil))
	return nil
}

// eachEnd calls f with the keys of what has ended by now, oldest first, until f
// returns false.
func eachEnd(r pebble.Reader, now time.Time, f func(key []byte) (bool, error)) error {
	return each(r, []byte{kindEnd}, endKey(now.Add(time.Millisecond), 0, nil), func(k, _ []byte) (bool, error) {
		return f(append([]byte(nil), k...))
	})
}

// eachNotification calls f with what is kept, oldest first, until f returns
// false.
func eachNotification(r pebble.Reader, f func(n *notify.Notification, size int) (bool, error)) error {
	return each(r, []byte{kindNotification}, after(kindNotification), func(k, v []byte) (bool, error) {
		n, err := readNotification(sequenceOf(k), v)
		if err != nil {
			return false, err
		}
		return f(&n, len(v))
	})
}

// each calls f with the keys and values from lower up to but without upper,
// until f returns false. Neither may be kept.
func each(r pebble.Reader, lower, upper []byte, f func(k, v []byte) (bool, error)) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("read the store: %w", err)
		}
		more, err := f(it.Key(), v)
		if err != nil || !more {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	return nil
}
