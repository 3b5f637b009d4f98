package store

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// owner is whose history something is in.
type owner struct {
	user notify.UserID
	all  bool
}

func everyone() owner { return owner{all: true} }

func ofUser(u notify.UserID) owner { return owner{user: u} }

func (o owner) historyKey() []byte {
	if o.all {
		return []byte{kindHistoryAll}
	}
	return historyKey(o.user)
}

func (o owner) toldKey(seq notify.Sequence) []byte {
	if o.all {
		return sequenceKey(kindToldAll, seq)
	}
	return toldKey(o.user, seq)
}

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
	changed bool // and not in the batch yet
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
	read, err := readHistoryOf(g.batch, o)
	if err != nil {
		return nil, err
	}
	o.user = notify.UserID(strings.Clone(string(o.user))) // it may be a part of something large
	h := &known{history: read, owner: o}
	g.histories.put(h)
	return h, nil
}

// change has h written when all entries are applied.
func (g *group) change(h *known) {
	if !h.changed {
		h.changed = true
		g.changed = append(g.changed, h)
	}
}

// setHistories writes what has changed, unless there is nothing to remember.
func (g *group) setHistories() {
	for _, h := range g.changed {
		h.changed = false
		if h.history == (history{}) {
			g.remove(h.owner.historyKey())
		} else {
			g.setValue(h.owner.historyKey(), h.history)
		}
	}
}

// dropMost is how many notifications one publish drops from a history. It is
// one at a time, unless fewer are kept than before.
const dropMost = 100

// extend puts seq at the end of a history, which keeps the newest ones only.
func (g *group) extend(o owner, seq notify.Sequence, most int) error {
	h, err := g.history(o)
	if err != nil {
		return err
	}
	g.change(h)
	h.kept++
	g.set(o.toldKey(seq), nil)
	for range dropMost {
		if most <= 0 || h.kept <= uint64(most) {
			break
		}
		if err := g.dropOldest(h); err != nil {
			return err
		}
	}
	return nil
}

// dropOldest takes the oldest notification out of a history that is full.
func (g *group) dropOldest(h *known) error {
	seq, err := g.oldest(h.owner, h.removed)
	if err != nil {
		return err
	}
	n, bytes, err := g.notification(seq)
	if err != nil {
		return err
	}
	g.remove(h.owner.toldKey(seq))
	h.kept--
	if !n.Expired(g.at) {
		h.note(&n)
	}
	return g.release(&n, bytes)
}

// oldest returns the oldest in a history that is not empty. Below what was
// removed there is nothing but the traces of that.
func (g *group) oldest(o owner, removed notify.Sequence) (notify.Sequence, error) {
	it, err := g.batch.NewIter(&pebble.IterOptions{
		LowerBound: o.toldKey(removed + 1),
		UpperBound: o.toldKey(^notify.Sequence(0)),
	})
	if err != nil {
		return 0, err
	}
	defer it.Close()
	if !it.First() {
		return 0, errors.Join(errCorrupt, it.Error())
	}
	return sequenceOf(it.Key()), nil
}

func readHistoryOf(r pebble.Reader, o owner) (history, error) {
	b, err := get(r, o.historyKey())
	if err != nil || b == nil {
		return history{}, err
	}
	return readHistory(b)
}
