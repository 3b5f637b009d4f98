package store

import (
	"cmp"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// extendShared puts n at the end of the history of a topic or of everyone, and of the
// patterns that stand for the topic.
func (g *group) extendShared(o owner, n *notify.Notification, replaces string, most int) error {
	h, err := g.history(o)
	if err != nil {
		return err
	}
	g.enter(h, n, "", replaces)
	if o.kind == kindToldTopic {
		if err := g.extendPatterns(o, n, replaces); err != nil {
			return err
		}
	}
	return g.evict(h, n.Sequence, most)
}

func (g *group) extendPatterns(topic owner, n *notify.Notification, replaces string) error {
	for _, p := range patternsOf(topic.name) {
		o := ofNode(p)
		if isSeveral(n) {
			has, err := g.has(o.keyOf(n))
			if err != nil {
				return err
			}
			if has { // by another topic
				continue
			}
		}
		h, err := g.history(o)
		if err != nil {
			return err
		}
		g.enter(h, n, topic.name, replaces)
	}
	return nil
}

// enter puts n into one shared history.
func (g *group) enter(h *known, n *notify.Notification, home, replaces string) {
	g.change(h)
	h.kept++
	h.newest = n.Sequence
	if isSeveral(n) {
		h.several++
		home = ""
		if h.owner.isPattern() {
			replaces = "" // each of the topics has its own
		}
	}
	g.buffer = appendEntry(g.buffer[:0], n, home, replaces)
	g.set(h.owner.keyOf(n), g.buffer)
	g.steps = append(g.steps, step{owner: h.owner, seq: n.Sequence, several: isSeveral(n), time: toMillis(n.Time)})
}

// leave takes n out of one shared history.
func (g *group) leave(h *known, n *notify.Notification, retention bool) {
	g.change(h)
	h.kept--
	if isSeveral(n) {
		h.several--
	}
	if retention {
		h.note(n)
	}
	g.remove(h.owner.keyOf(n))
	g.steps = append(g.steps, step{owner: h.owner, seq: n.Sequence, several: isSeveral(n), gone: true})
	if g.folds {
		g.fold(h)
	}
}

// takeOutShared takes n out of the history of a topic or of everyone, and of the
// patterns that stand for the topic, unless they have it by another topic.
func (g *group) takeOutShared(o owner, n *notify.Notification, retention bool) error {
	h, err := g.history(o)
	if err != nil {
		return err
	}
	g.leave(h, n, retention)
	g.recount = append(g.recount, h.owner)
	if o.kind != kindToldTopic {
		return nil
	}
	for _, p := range patternsOf(o.name) {
		held, err := g.holds(notify.TopicPattern(p), n)
		if err != nil {
			return err
		}
		if held {
			continue
		}
		of, err := g.history(ofNode(p))
		if err != nil {
			return err
		}
		g.leave(of, n, retention)
	}
	return nil
}

// holds reports whether a topic that p stands for still has n.
func (g *group) holds(p notify.TopicPattern, n *notify.Notification) (bool, error) {
	if !isSeveral(n) {
		return false, nil
	}
	for _, t := range n.Topics {
		if !p.Matches(t) {
			continue
		}
		if has, err := g.has(ofTopic(t).keyOf(n)); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

func (g *group) has(key []byte) (bool, error) {
	b, err := get(g.batch, key)
	return b != nil, err
}

// oldest returns the oldest in a history that is not empty. Below what was removed
// there is nothing but the traces of that.
func (g *group) oldest(h *known) (notify.Sequence, error) {
	seq, err := firstIn(g.batch, h.owner, h.removed)
	if err != nil || h.several == 0 {
		return seq, cmp.Or(err, orCorrupt(seq))
	}
	several, err := firstIn(g.batch, h.owner.several(), h.removed)
	if err != nil {
		return 0, err
	}
	if seq == 0 || several > 0 && several < seq {
		seq = several
	}
	return seq, orCorrupt(seq)
}

// orCorrupt is the error of a history that should have had something.
func orCorrupt(seq notify.Sequence) error {
	if seq == 0 {
		return errCorrupt
	}
	return nil
}

// firstIn returns the first sequence behind another that o has, 0 if there is none.
func firstIn(r pebble.Reader, o owner, behind notify.Sequence) (seq notify.Sequence, err error) {
	err = each(r, o.toldKey(behind+1), o.toldKey(^notify.Sequence(0)), func(k, _ []byte) (bool, error) {
		seq = sequenceOf(k)
		return false, nil
	})
	return seq, err
}
