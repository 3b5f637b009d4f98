// Package cache keeps values that were used recently, in bounded memory.
package cache

import "time"

// Map is a cache in two generations. New values enter the young generation, and a value
// that Get finds in the old one moves back to the young one. Rotate discards the old
// generation and makes the young one old. A value that is used at least once between
// two rotations is therefore never lost, at the cost of one map access: no list orders
// the values by their last use.
//
// The zero value is ready to use. A Map is not safe for concurrent use: its owner has a
// lock already, or needs none. It must not be copied after first use.
type Map[K comparable, V any] struct {
	// Max is the total weight at which the young generation is full: the next value
	// that enters it causes a rotation. The cache holds at most twice Max and the
	// weight of two values. 0: only Rotate and RotateAfter rotate.
	Max int

	// Weigh returns the weight of a value that enters the young generation. nil: every
	// value weighs 1.
	Weigh func(V) int

	young, old map[K]V
	weight     int       // of young
	born       time.Time // when young became the young generation
}

// Get returns the value of k, and keeps it for one rotation more.
func (m *Map[K, V]) Get(k K) (V, bool) {
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		delete(m.old, k)
		m.enter(k, v)
	}
	return v, ok
}

// Peek returns the value of k, and leaves it in its generation.
func (m *Map[K, V]) Peek(k K) (V, bool) {
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	return v, ok
}

// Put sets the value of k. A value that replaces another in the young generation adds
// its weight to that of the other.
func (m *Map[K, V]) Put(k K, v V) {
	delete(m.old, k)
	m.enter(k, v)
}

func (m *Map[K, V]) enter(k K, v V) {
	if m.Max > 0 && m.weight >= m.Max || m.young == nil {
		m.Rotate()
	}
	m.young[k] = v
	if m.Weigh == nil {
		m.weight++
	} else {
		m.weight += m.Weigh(v)
	}
}

// Grow adds n to the weight of the young generation, for a value that has become heavier
// where it is.
func (m *Map[K, V]) Grow(n int) { m.weight += n }

// Weight returns the total weight of the young generation.
func (m *Map[K, V]) Weight() int { return m.weight }

// Len returns the number of values in both generations.
func (m *Map[K, V]) Len() int { return len(m.young) + len(m.old) }

// Rotate discards the values that were not used since the last rotation.
func (m *Map[K, V]) Rotate() {
	// The new generation probably gets as many values as this one had.
	m.young, m.old = make(map[K]V, len(m.young)), m.young
	m.weight, m.born = 0, time.Now()
}

// RotateAfter rotates if the last rotation was at least age ago. Called before each use
// of the cache, it keeps a value for at least age after its last use, unless the young
// generation gets full earlier.
func (m *Map[K, V]) RotateAfter(age time.Duration, now time.Time) {
	if now.Sub(m.born) >= age {
		m.Rotate()
	}
}
