package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Removed is a notification that a user no longer has.
type Removed struct {
	ID string

	// Notification has no Content, unless other users still have it, and no other users. Its View is the read state of
	// the user when it was removed, and the topic by which the user had it.
	notify.Notification
	RemovedType string // the type of a notification without Content
	Fate
}

// RemovedPage is a part of the notifications that a user no longer has, the last published first.
type RemovedPage struct {
	Removed []Removed

	// Next is the sequence before which the next page begins; 0: this is the last page. A page may be empty without
	// being the last.
	Next notify.Sequence

	// SearchedTo is the time of the oldest notification that was searched, if there is a Next.
	SearchedTo time.Time
}

// Removed returns removed notifications, at most limit, that were published to u before a sequence (0: from the newest)
// and up to another one: those to the user, to topics of which the user was a member, and to everyone. The records of
// removed notifications are not sorted by user. A page reads about maxListReads records, of all users, so that its work
// is bounded, and ends early when it has listBytes of content.
func (s *Store) Removed(u notify.UserID, before, upTo notify.Sequence, limit int, now time.Time) (page RemovedPage, err error) {
	v := s.snapshots.acquire()
	defer v.release()
	upper := endOfKind(kindRemoval)
	if before > 0 {
		upTo = min(upTo, before-1)
	}
	if upTo+1 > 0 {
		upper = removalKey(upTo + 1)
	}
	f := removedSearch{tracer: tracer{from: v, only: u, now: now}, left: maxListReads}
	bytes := 0
	err = eachBackward(v, []byte{kindRemoval}, upper, func(k, b []byte) (bool, error) {
		seq := notify.Sequence(binary.BigEndian.Uint64(k[1:]))
		if n := len(page.Removed); n == limit || bytes >= listBytes || f.left <= 0 {
			page.Next, page.SearchedTo = seq+1, f.searchedTo
			if n > 0 {
				page.Next = min(page.Next, page.Removed[n-1].Sequence)
			}
			return false, nil
		}
		found, ok, err := f.at(seq, k, b)
		if ok {
			page.Removed = append(page.Removed, found)
			bytes += len(found.Content)
		}
		return err == nil, err
	})
	if err != nil {
		return RemovedPage{}, fmt.Errorf("search removed notifications: %w", err)
	}
	return page, nil
}

// usersPerRead is the number of users of a removed notification that take as long to read as a record.
const usersPerRead = 10

// removedSearch looks for the removed notifications of a user.
type removedSearch struct {
	tracer

	left       int       // records that may be read, where one with many users counts as several
	searchedTo time.Time // of the last notification that was searched
}

// at returns the notification at seq if it was removed from the user in question. b is the removal with the key k.
func (f *removedSearch) at(seq notify.Sequence, k, b []byte) (found Removed, ok bool, err error) {
	r, err := readRemoval(b)
	if err != nil {
		return found, false, err
	}
	f.left -= 1 + len(r.users)/usersPerRead
	f.searchedTo = r.time
	switch own := k[len(removalKey(seq)):]; {
	case len(own) > 0 && string(own) != string(f.only):
		return found, false, nil
	case len(own) > 0: // from this user alone, unless the removal from all histories follows
		if b, err := get(f.from, removalKey(seq)); err != nil || b != nil {
			return found, false, err
		}
	case len(r.users) > 0 && !slices.ContainsFunc(r.users, func(u removedUser) bool { return u.user == f.only }):
		return found, false, nil
	}
	f.left -= 1 + len(r.topics)
	t, ok, err := f.tracer.at(seq)
	if err != nil || !ok || len(t.Users) != 1 {
		return found, false, err
	}
	traced := &t.Users[0]
	if traced.Reason == notify.ReasonExcept || len(r.topics) > 0 && len(traced.MemberOf) == 0 {
		return found, false, nil
	}
	found = Removed{ID: r.id, Notification: t.Notification, RemovedType: r.typ, Fate: traced.Fate}
	if len(t.Content) > 0 {
		found.ID = t.ID()
	}
	found.View, found.Users, found.Except = traced.View, nil, nil
	if len(traced.MemberOf) > 0 {
		found.Topic = traced.MemberOf[0]
	}
	return found, true, nil
}
