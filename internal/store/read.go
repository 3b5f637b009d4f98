package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Page is a stretch of a user's history: what the user and everyone was told,
// in the one order of the journal.
type Page struct {
	Notifications []notify.Notification

	// End is up to where the page is complete: the bound that was asked for, or
	// where the page was full.
	End notify.Sequence

	// Removed is the highest sequence of the reader's history that retention
	// has removed, 0 if none: a cursor before it has a hole after it.
	Removed notify.Sequence
}

// pageBytes is how much content one page holds, give or take a notification:
// thousands may be reading at once.
const pageBytes = 64 << 10

// History returns what the reader was told after one sequence and up to
// another, oldest first. The page is full at limit notifications. It shows the
// state of one moment. The caller bounds upTo by the journal's durable mark.
func (s *Store) History(r notify.Reader, after, upTo notify.Sequence, limit int) (Page, error) {
	snap := s.db.NewSnapshot()
	defer snap.Close()
	page := Page{End: upTo}
	var err error
	if page.Removed, err = removed(snap, r); err != nil || upTo <= after {
		return page, err
	}
	told, err := merge(snap, r.User, after, upTo)
	if err != nil {
		return page, err
	}
	defer told.close()
	for seq, ok := told.next(); ok; seq, ok = told.next() {
		n, err := told.read(seq)
		if err != nil {
			return page, fmt.Errorf("notification %d: %w", seq, err)
		}
		if n.Audience == notify.AudienceAll && n.Time.Before(r.Since) {
			continue
		}
		if page.Notifications == nil {
			page.Notifications = make([]notify.Notification, 0, min(limit, 32))
		}
		page.Notifications = append(page.Notifications, n)
		if len(told.contents) >= pageBytes || len(page.Notifications) >= limit {
			page.End = seq
			break
		}
	}
	return page, told.err()
}

// removed returns the highest sequence that retention took from the reader.
func removed(r pebble.Reader, who notify.Reader) (notify.Sequence, error) {
	own, err := readHistoryOf(r, ofUser(who.User))
	if err != nil {
		return 0, err
	}
	all, err := readHistoryOf(r, everyone())
	if err != nil {
		return 0, err
	}
	if all.removedTime.Before(who.Since) {
		return own.removed, nil
	}
	return max(own.removed, all.removed), nil
}

// Generations returns all starts of the service, oldest first.
func (s *Store) Generations() ([]notify.Generation, error) {
	var all []notify.Generation
	err := each(s.db, []byte{kindGeneration}, after(kindGeneration), func(k, v []byte) (bool, error) {
		g, err := readGeneration(sequenceOf(k), v)
		all = append(all, g)
		return true, err
	})
	return all, err
}

// merged merges what one user and what everyone was told.
type merged struct {
	its     [2]*pebble.Iterator
	records *pebble.Iterator // of all notifications: seeking forward costs half of what getting does

	key      [1 + 8]byte // of the one that is sought
	contents []byte      // of those that were read, in one piece
}

func merge(r pebble.Reader, u notify.UserID, after, upTo notify.Sequence) (*merged, error) {
	p := &merged{}
	for i, o := range []owner{ofUser(u), everyone()} {
		it, err := r.NewIter(&pebble.IterOptions{
			LowerBound: o.toldKey(after + 1),
			UpperBound: o.toldKey(upTo + 1),
		})
		if err != nil {
			p.close()
			return nil, fmt.Errorf("read the store: %w", err)
		}
		it.First()
		p.its[i] = it
	}
	var err error
	p.records, err = r.NewIter(&pebble.IterOptions{
		LowerBound: sequenceKey(kindNotification, after+1),
		UpperBound: sequenceKey(kindNotification, upTo+1),
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return p, nil
}

// read returns the notification at seq, which next has returned last.
func (p *merged) read(seq notify.Sequence) (notify.Notification, error) {
	p.key[0] = kindNotification
	binary.BigEndian.PutUint64(p.key[1:], uint64(seq))
	if !p.records.SeekGE(p.key[:]) || sequenceOf(p.records.Key()) != seq {
		return notify.Notification{}, errors.Join(errCorrupt, p.records.Error())
	}
	v, err := p.records.ValueAndErr()
	if err != nil {
		return notify.Notification{}, fmt.Errorf("read the store: %w", err)
	}
	n, err := readForReader(seq, v)
	at := len(p.contents)
	p.contents = append(p.contents, n.Content...)
	n.Content = p.contents[at:len(p.contents):len(p.contents)]
	return n, err
}

// next returns the lowest sequence that was not returned yet.
func (p *merged) next() (notify.Sequence, bool) {
	lowest := -1
	var seq notify.Sequence
	for i, it := range p.its {
		if !it.Valid() {
			continue
		}
		if at := sequenceOf(it.Key()); lowest < 0 || at < seq {
			lowest, seq = i, at
		}
	}
	if lowest < 0 {
		return 0, false
	}
	p.its[lowest].Next()
	return seq, true
}

func (p *merged) err() error {
	return errors.Join(p.its[0].Error(), p.its[1].Error())
}

func (p *merged) close() {
	for _, it := range append(p.its[:], p.records) {
		if it != nil {
			it.Close()
		}
	}
}
