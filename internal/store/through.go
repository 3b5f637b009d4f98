package store

import (
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// A Mark through a place takes several entries if it changes much. It goes on where
// the last one has come to: a task, and a sequence within the task. The tasks are in
// the order of their names, so that one which comes or goes meanwhile is no matter.
const (
	taskOwn      = "a"
	taskEveryone = "b"
	taskNodes    = "c" // and a node, and what of the node
	ofNodeItself = "\x001"
	ofNarrower   = "\x002" // and the narrower node
	ofSeveral    = "\x003"
)

// task marks notifications with sequences above after, and returns the sequence up to
// which all are marked. done says that none is left.
type task struct {
	name string
	mark func(after notify.Sequence) (reached notify.Sequence, done bool, err error)
}

// through marks all that the reader was told up to a place, or returns where to go on.
func (m *marking) through() (next notify.MarkPlace, err error) {
	if m.Through = min(m.Through, m.txn.state.last); m.Through == 0 {
		return next, nil
	}
	for _, t := range []task{{taskOwn, m.throughOwn}, {taskEveryone, m.throughEveryone}} {
		if next, err = m.run(t); err != nil || next != (notify.MarkPlace{}) {
			return next, err
		}
	}
	nodes, err := m.nodesHeard(m.Reader.Topics)
	if err != nil {
		return next, err
	}
	for _, node := range nodes {
		if next, err = m.throughNode(node); err != nil || next != (notify.MarkPlace{}) {
			return next, err
		}
	}
	return next, nil
}

// run does a task, unless that was done before, and returns where to go on with it.
func (m *marking) run(t task) (next notify.MarkPlace, err error) {
	after := notify.Sequence(0)
	switch {
	case t.name < m.From.Task:
		return next, nil
	case t.name == m.From.Task:
		after = m.From.After
	}
	if m.left <= 0 || m.looks <= 0 {
		return notify.MarkPlace{Task: t.name, After: after}, nil
	}
	m.looks--
	reached, done, err := t.mark(after)
	if err != nil || done {
		return next, err
	}
	return notify.MarkPlace{Task: t.name, After: reached}, nil
}

// throughNode marks what a node was told: first, in one interval, what no narrower
// node has an interval for; then the intervals of narrower nodes; then what several
// topics were told.
func (m *marking) throughNode(node string) (next notify.MarkPlace, err error) {
	name := taskNodes + node
	next, err = m.run(task{name + ofNodeItself, func(after notify.Sequence) (notify.Sequence, bool, error) {
		return m.throughMarks(node, after, false)
	}})
	if err != nil || next != (notify.MarkPlace{}) {
		return next, err
	}
	if isPattern(node) {
		if next, err = m.throughNarrower(node, name+ofNarrower); err != nil || next != (notify.MarkPlace{}) {
			return next, err
		}
	}
	return m.run(task{name + ofSeveral, func(after notify.Sequence) (notify.Sequence, bool, error) {
		return m.throughSeveral(node, after)
	}})
}

// throughNarrower marks within the intervals that nodes under a pattern have.
func (m *marking) throughNarrower(pattern, name string) (next notify.MarkPlace, err error) {
	from, _ := strings.CutPrefix(m.From.Task, name)
	if !strings.HasPrefix(m.From.Task, name) {
		from = ""
	}
	var nodes []string // since what is iterated must not be changed
	err = m.state.eachUnder(strings.TrimSuffix(pattern, "*"), from, func(node string, _ marks) (bool, error) {
		if node != pattern {
			nodes = append(nodes, node)
		}
		return len(nodes) <= m.looks, nil
	})
	for _, node := range nodes {
		if err != nil || next != (notify.MarkPlace{}) {
			break
		}
		next, err = m.run(task{name + node, func(after notify.Sequence) (notify.Sequence, bool, error) {
			return m.throughMarks(node, after, true)
		}})
	}
	return next, err
}

func (m *marking) throughOwn(after notify.Sequence) (reached notify.Sequence, done bool, err error) {
	o := ofUser(m.Reader.User)
	type one struct{ key, value []byte }
	var all []one // since what is iterated must not be changed
	done, reached = true, after
	if after >= m.Through {
		return after, true, nil
	}
	err = each(m.batch, o.toldKey(after+1), o.toldKey(m.Through+1), func(k, v []byte) (bool, error) {
		if done = m.left > 0 && m.looks > 0; !done {
			return false, nil
		}
		reached = sequenceOf(k)
		m.looks--
		t, _, err := readTold(v)
		if err != nil || t.after(m.Verb, m.at) == t {
			return err == nil, err
		}
		m.left--
		all = append(all, one{append([]byte(nil), k...), append([]byte(nil), v...)})
		return true, nil
	})
	if err != nil {
		return reached, false, err
	}
	for _, t := range all {
		n, err := m.ofOwn(t.key, t.value)
		if err != nil {
			return reached, false, err
		}
		if err := m.ownAt(n.ID(), t.key, t.value); err != nil {
			return reached, false, err
		}
	}
	return reached, done, nil
}

// ofOwn returns what a history of a user has at key, be it there or elsewhere.
func (m *marking) ofOwn(key, value []byte) (notify.Notification, error) {
	_, record, err := readTold(value)
	switch {
	case err != nil:
		return notify.Notification{}, err
	case record == nil:
		return m.forReader(sequenceOf(key))
	}
	return readForReader(sequenceOf(key), record)
}

// look calls f with the notifications of o within ranges, in order, until no more may be
// read or changed. f reports whether a notification changes. look returns the sequence
// up to which all were read.
func (m *marking) look(o owner, after notify.Sequence, ranges marks, f func(seq notify.Sequence, e *entry) (changes bool, err error)) (reached notify.Sequence, done bool, err error) {
	reached, done = after, true
	for _, i := range ranges {
		err = each(m.batch, o.toldKey(i.from), o.toldKey(i.to+1), func(k, v []byte) (bool, error) {
			if done = m.left > 0 && m.looks > 0; !done {
				return false, nil
			}
			reached = sequenceOf(k)
			m.looks--
			e, err := readEntry(v)
			if err != nil {
				return false, err
			}
			changes, err := f(reached, &e)
			if err != nil || !changes {
				return err == nil, err
			}
			m.left--
			if e.expires == 0 || fromMillis(e.expires).After(m.at) { // else it counts until it is swept
				m.changed = append(m.changed, longID(string(e.id)))
			}
			return true, nil
		})
		if err != nil || !done {
			return reached, false, err
		}
	}
	return m.Through, true, nil
}

// throughMarks marks what one topic alone was told, of a node, in one interval; with
// onlyKnown, where the node has intervals only.
func (m *marking) throughMarks(node string, after notify.Sequence, onlyKnown bool) (reached notify.Sequence, done bool, err error) {
	own, err := m.state.own(node)
	if err != nil {
		return 0, false, err
	}
	all := own
	if !onlyKnown {
		wider, err := m.state.wider(node)
		if err != nil {
			return 0, false, err
		}
		all = own.over(wider)
	}
	ranges := all.changing(after, m.Through, m.Verb, m.at, onlyKnown)
	if len(ranges) == 0 {
		return m.Through, true, nil
	}
	reached, done, err = m.look(ofNode(node), after, ranges, func(seq notify.Sequence, e *entry) (bool, error) {
		if !isPattern(node) {
			return true, nil
		}
		narrower, err := m.state.isNarrower(string(e.home), node, seq)
		return !narrower, err
	})
	if err != nil || reached == after {
		return reached, done, err
	}
	return reached, done, m.markNode(node, marks{{from: after + 1, to: reached}}, onlyKnown)
}

// throughEveryone marks what everyone was told and is not hidden from the reader.
func (m *marking) throughEveryone(after notify.Sequence) (reached notify.Sequence, done bool, err error) {
	all, err := m.state.ofEveryone()
	if err != nil {
		return 0, false, err
	}
	var visible marks
	joins := false
	reached, done, err = m.look(everyone(), after, all.changing(after, m.Through, m.Verb, m.at, false), func(seq notify.Sequence, e *entry) (bool, error) {
		if fromMillis(e.time).Before(m.Reader.Since) {
			joins = false
			return false, nil
		}
		if last := len(visible) - 1; joins {
			visible[last].to = seq
		} else {
			visible = append(visible, interval{from: seq, to: seq})
		}
		joins = true
		return true, nil
	})
	if err != nil || reached == after {
		return reached, done, err
	}
	if m.Reader.Since.IsZero() {
		visible = marks{{from: after + 1, to: reached}}
	}
	return reached, done, m.markEveryone(visible)
}

// throughSeveral marks what several topics were told, each for itself.
func (m *marking) throughSeveral(node string, after notify.Sequence) (reached notify.Sequence, done bool, err error) {
	if after >= m.Through {
		return after, true, nil
	}
	blocks := map[uint64]marks{}
	var numbers []uint64 // in order
	reached, done, err = m.look(ofNode(node).several(), after, marks{{from: after + 1, to: m.Through}}, func(seq notify.Sequence, _ *entry) (bool, error) {
		before, err := m.state.ofSeveral(seq)
		if err != nil || before.after(m.Verb, m.at) == before {
			return false, err
		}
		b := blockOf(seq)
		if len(blocks[b]) == 0 {
			numbers = append(numbers, b)
		}
		blocks[b] = blocks[b].with(interval{from: seq, to: seq})
		return true, nil
	})
	for _, b := range numbers {
		if err == nil {
			err = m.markBlock(b, blocks[b])
		}
	}
	return reached, done, err
}
