package store

import (
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// sharedMost is how many items of lists are in memory, of some 40 bytes, twice
// over at most and give or take a list. A list counts as some more: there may be
// none of what a token names.
const (
	sharedMost   = 1 << 18
	listOverhead = 8
)

// shared is what everyone and the topics that are read have in their histories,
// in memory: what is unread of it is counted for each of very many readers.
type shared struct {
	mu         sync.Mutex
	young, old map[owner][]item // old is young as it was when it was full
	items      int              // in young
}

// item is one that a history holds. A list of them is in order, and what it
// holds never changes: a newer one takes its place.
type item struct {
	sequence notify.Sequence
	time     int64 // milliseconds since 1970
	replaces string
}

// step is a change of a list that was applied.
type step struct {
	owner owner
	item  item
	gone  bool
}

// list returns what o has, as far as it was durable when it is called. A view that
// is taken later shows all that the list does.
func (c *shared) list(r pebble.Reader, views *views, o owner) ([]item, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if list, ok := c.find(o); ok {
		return list, nil
	}
	list, err := readItems(r, o)
	if err != nil {
		return nil, err
	}
	// It may show a group that is not durable yet, and the current view be from
	// before that: what the group dropped would be in neither, and be missed by nobody.
	views.turn()
	c.put(o.clone(), list)
	return list, nil
}

func (c *shared) find(o owner) (list []item, ok bool) {
	if list, ok = c.young[o]; ok {
		return list, true
	}
	if list, ok = c.old[o]; ok {
		c.put(o, list)
	}
	return list, ok
}

func (c *shared) put(o owner, list []item) {
	if c.young == nil || c.items >= sharedMost {
		c.young, c.old, c.items = make(map[owner][]item), c.young, 0
	}
	if had, ok := c.young[o]; ok {
		c.items -= len(had) + listOverhead
	}
	c.items += len(list) + listOverhead
	c.young[o] = list
}

// apply takes steps in, of those lists that are in memory.
func (c *shared) apply(steps []step) {
	if len(steps) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range steps {
		if list, ok := c.find(s.owner); ok {
			c.put(s.owner, s.applyTo(list))
		}
	}
}

// applyTo returns list after s. A list that was read when s was committed
// already may hold it.
func (s step) applyTo(list []item) []item {
	i, found := slices.BinarySearchFunc(list, s.item.sequence, compareItems)
	switch {
	case s.gone && !found, !s.gone && found:
		return list
	case s.gone && i == 0:
		return list[1:]
	case s.gone:
		return slices.Delete(slices.Clone(list), i, i+1)
	case i == len(list):
		return append(list, s.item) // readers of list do not look behind its end
	}
	return slices.Insert(slices.Clone(list), i, s.item)
}

func compareItems(i item, seq notify.Sequence) int {
	switch {
	case i.sequence < seq:
		return -1
	case i.sequence > seq:
		return 1
	}
	return 0
}

// between returns those of list that are behind after and not behind upTo.
func between(list []item, after, upTo notify.Sequence) []item {
	end, _ := slices.BinarySearchFunc(list, upTo+1, compareItems)
	begin, _ := slices.BinarySearchFunc(list[:end], after+1, compareItems)
	return list[begin:end]
}

// readItems reads what o has.
func readItems(r pebble.Reader, o owner) ([]item, error) {
	var list []item
	err := each(r, o.toldKey(0), o.toldKey(^notify.Sequence(0)), func(k, v []byte) (bool, error) {
		seq := sequenceOf(k)
		t, _, err := readTold(v)
		if err != nil {
			return false, err
		}
		b, err := get(r, sequenceKey(kindNotification, seq))
		if err != nil || b == nil {
			return err == nil, err // it goes at this moment
		}
		n, err := readForReader(seq, b)
		list = append(list, itemOf(&n, t.replaces))
		return true, err
	})
	return list, err
}

func itemOf(n *notify.Notification, replaces string) item {
	return item{sequence: n.Sequence, time: toMillis(n.Time), replaces: replaces}
}
