package store

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// knownMost is how many histories are known once a group has been applied,
// twice over at most.
const knownMost = 16 << 10

// histories are those that were changed a moment ago, so that a publish to a
// user who was told lately reads nothing.
type histories struct {
	young, old map[owner]*known // old is young as it was when it was full
}

// known is a history as the entries applied so far leave it.
type known struct {
	history
	owner   owner
	changed bool   // and not in the batch yet
	touched bool   // by the entry that is being applied
	counted uint64 // the bytes of its record in state.other
}

func (s *histories) get(o owner) *known {
	h, ok := s.young[o]
	if !ok {
		if h, ok = s.old[o]; ok {
			s.young[o] = h
		}
	}
	return h
}

func (s *histories) put(h *known) {
	if s.young == nil {
		s.young = map[owner]*known{}
	}
	s.young[h.owner] = h
}

// turn forgets what was not used for long. Nothing may be changed and not
// written.
func (s *histories) turn() {
	if len(s.young) >= knownMost {
		s.young, s.old = make(map[owner]*known, knownMost), s.young
	}
}

// history returns the history of o, which is to be changed through change only.
func (g *group) history(o owner) (*known, error) {
	if h := g.histories.get(o); h != nil {
		return h, nil
	}
	b, err := get(g.batch, o.historyKey())
	if err != nil {
		return nil, err
	}
	h := &known{owner: o.clone()}
	if b != nil {
		h.counted = recordBytes(o.historyKey(), len(b))
		if h.history, err = readHistory(b); err != nil {
			return nil, err
		}
	}
	g.histories.put(h)
	return h, nil
}

// change has h counted when the entry is applied, and written when all are.
func (g *group) change(h *known) {
	if !h.changed {
		h.changed = true
		g.changed = append(g.changed, h)
	}
	if !h.touched {
		h.touched = true
		g.touched = append(g.touched, h)
	}
}

// countHistories counts the histories that an entry has changed. They are not left to
// setHistories, since entries are refused by the count: the verdict on an entry must
// not depend on which others are in its group.
func (g *group) countHistories() {
	for _, h := range g.touched {
		h.touched = false
		was := h.counted
		h.counted = 0
		if !h.isEmpty() {
			g.key, g.buffer = h.owner.appendHistoryKey(g.key[:0]), h.history.append(g.buffer[:0])
			h.counted = recordBytes(g.key, len(g.buffer))
		}
		g.state.other = g.state.other - min(g.state.other, was) + h.counted
	}
	g.touched = g.touched[:0]
}

// setHistories writes what has changed, unless there is nothing to remember.
func (g *group) setHistories() {
	for _, h := range g.changed {
		h.changed = false
		g.key = h.owner.appendHistoryKey(g.key[:0])
		if h.isEmpty() {
			g.remove(g.key)
			continue
		}
		g.buffer = h.history.append(g.buffer[:0])
		g.set(g.key, g.buffer)
	}
}

// fold gives up a history that has nothing but a hole, and takes the hole for
// everybody's: a reader with a cursor from before it is told that it may have missed
// something. Otherwise the name of everyone who was ever told something would be
// kept for ever.
func (g *group) fold(h *known) {
	if h.owner != everyone() && h.kept == 0 && h.unread == 0 && h.changes == 0 {
		g.state.folded = max(g.state.folded, h.hole())
		h.history = history{}
	}
}

// extend puts n at the end of a history, which keeps the newest ones only.
func (g *group) extend(o owner, n *notify.Notification, t told, most int) error {
	if o.isShared() {
		return g.extendShared(o, n, t.replaces, most)
	}
	h, err := g.history(o)
	if err != nil {
		return err
	}
	g.change(h)
	h.kept++
	h.unread++
	var record []byte
	if isOwn(n) {
		record = g.record
	}
	g.buffer = appendTold(g.buffer[:0], t, record)
	g.set(o.toldKey(n.Sequence), g.buffer)
	return g.evict(h, n.Sequence, most)
}

// takeOut takes n out of a history, if that has it still. What retention
// removes leaves a hole that is announced. Readers who cannot tell are to count
// anew.
func (g *group) takeOut(o owner, n *notify.Notification, retention bool) (held bool, err error) {
	key := o.keyOf(n)
	v, err := get(g.batch, key)
	if err != nil || v == nil {
		return false, err
	}
	if o.isShared() {
		err = g.takeOutShared(o, n, retention)
	} else {
		err = g.takeOutOwn(o, n, v, retention)
	}
	if err != nil {
		return false, err
	}
	return true, g.forgetCollapse(o, n)
}

// takeOutOwn takes n, which is there as value, out of the history of a user.
func (g *group) takeOutOwn(o owner, n *notify.Notification, value []byte, retention bool) error {
	t, _, err := readTold(value)
	if err != nil {
		return err
	}
	h, err := g.history(o)
	if err != nil {
		return err
	}
	g.change(h)
	h.kept--
	if retention {
		h.note(n)
	}
	g.remove(o.toldKey(n.Sequence))
	if t.unread() {
		h.unread--
		g.recount = append(g.recount, h.owner)
	}
	if g.folds {
		g.fold(h)
	}
	return nil
}

func readHistoryOf(r pebble.Reader, o owner) (history, error) {
	b, err := get(r, o.historyKey())
	if err != nil || b == nil {
		return history{}, err
	}
	return readHistory(b)
}
