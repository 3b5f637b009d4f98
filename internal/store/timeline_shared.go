package store

import (
	"fmt"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// sharedItemAt returns the shared notification at seq, and moves on.
func (t *timeline) sharedItemAt(seq notify.Sequence, state notify.InboxState) (n notify.Notification, ok bool, err error) {
	view, several, err := t.sharedViewAt(seq)
	if err != nil || view == nil || !state.Has(view) {
		return n, false, err
	}
	n, ok, err = t.read(seq)
	if several && ok && n.CollapseKey != "" {
		view.Replaces, err = t.replacedBy(&n)
	}
	n.View = *view
	return n, ok && err == nil, err
}

// sharedViewAt returns the reader's view of the shared notification at seq, without the
// topic, and moves on. It is nil if the notification is hidden from the reader. several
// says that it was published to several topics: the ID that it replaces depends on the
// topics that the reader receives.
func (t *timeline) sharedViewAt(seq notify.Sequence) (v *notify.View, several bool, err error) {
	for _, it := range t.shared {
		if !it.Valid() || sequenceOf(it.Key()) != seq {
			continue
		}
		if v == nil {
			several = it.owner.kind == kindMultiItem
			if v, err = t.sharedView(it, seq); err != nil {
				return nil, several, err
			}
		}
		t.step(it.Iterator)
	}
	return v, several, nil
}

// sharedView returns the reader's view of the notification at which the iterator stands;
// nil if it is hidden from the reader.
func (t *timeline) sharedView(it sharedIterator, seq notify.Sequence) (*notify.View, error) {
	b, err := it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	e, err := readSharedItem(b)
	if err != nil {
		return nil, err
	}
	var had userItem
	switch {
	case it.owner.kind == kindMultiItem:
		had, err = t.state.multiItem(seq)
	case it.owner.kind == kindFeedItem:
		topic := it.owner.name
		if it.owner.isPattern() {
			topic = string(e.topic)
		}
		had, err = t.state.singleItem(topic, seq)
	case fromMillis(e.time).Before(t.reader.Since):
		return nil, nil //nolint:nilnil // hidden from the reader
	default:
		m, failed := t.state.everyoneIntervals()
		i, _ := m.find(seq)
		had, err = i.item(), failed
	}
	v := had.view()
	v.Replaces = string(e.replaces)
	return &v, err
}

// replacedBy returns the ID that n, which was published to several topics, has replaced
// in the first topic that the reader receives.
func (t *timeline) replacedBy(n *notify.Notification) (string, error) {
	for _, topic := range slices.Sorted(slices.Values(n.Topics)) {
		if _, ok := notify.FirstMatch(t.reader.Topics, []notify.Topic{topic}); !ok {
			continue
		}
		b, err := get(t.snapshot, ofTopic(topic).keyOf(n))
		if err != nil {
			return "", err
		}
		if b == nil {
			continue
		}
		if e, err := readSharedItem(b); err != nil || len(e.replaces) > 0 {
			return string(e.replaces), err
		}
	}
	return "", nil
}
