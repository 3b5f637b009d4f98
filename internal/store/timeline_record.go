package store

import (
	"encoding/binary"
	"fmt"

	"github.com/bellhop/bellhop/internal/notify"
)

// read returns the notification at seq, whose record is not part of an item. ok is false if
// it does not exist or does not match f.
func (t *timeline) read(seq notify.Sequence, view *notify.View, f *notify.Filter) (n notify.Notification, ok bool, err error) {
	if t.records == nil {
		t.records, err = t.iterate(sequenceKey(kindNotification, t.after+1), sequenceKey(kindNotification, t.upTo+1))
		if err != nil {
			return n, false, err
		}
	}
	t.key[0] = kindNotification
	binary.BigEndian.PutUint64(t.key[1:], uint64(seq))
	if !t.records.SeekGE(t.key[:]) || sequenceOf(t.records.Key()) != seq {
		return n, false, t.records.Error()
	}
	v, err := t.records.ValueAndErr()
	if err != nil {
		return n, false, fmt.Errorf("read the store: %w", err)
	}
	return t.decode(seq, v, view, f)
}

// expectedItems is the number of contents for which memory is allocated at first.
const expectedItems = 8

// decode decodes a record. The content of a notification that matches f is copied to
// t.contents, since that of the iterator changes.
func (t *timeline) decode(seq notify.Sequence, record []byte, view *notify.View, f *notify.Filter) (n notify.Notification, ok bool, err error) {
	if n, err = readForReader(seq, record); err != nil {
		return n, false, err
	}
	n.View = *view
	hears := func(topic notify.Topic) bool { return t.hears(topic, n.Sequence) }
	if !f.Matches(&n, hears) || t.muting.Hides(&n, hears) {
		return n, false, nil
	}
	if t.contents == nil {
		t.contents = make([]byte, 0, min(expectedItems*len(n.Content), pageBytes))
	}
	at := len(t.contents)
	t.contents = append(t.contents, n.Content...)
	n.Content = t.contents[at:len(t.contents):len(t.contents)]
	return n, true, nil
}
