package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/cache"
)

func TestTheZeroMapIsReadyToUse(t *testing.T) {
	var m cache.Map[string, int]
	_, ok := m.Get("a")
	assert.False(t, ok)
	_, ok = m.Peek("a")
	assert.False(t, ok)
	m.Put("a", 1)
	m.Put("a", 2)
	v, ok := m.Get("a")
	assert.True(t, ok)
	assert.Equal(t, 2, v)
	assert.Equal(t, 1, m.Len())
}

func TestTheSecondRotationDiscardsUnusedValues(t *testing.T) {
	var m cache.Map[string, int]
	for _, k := range []string{"used", "peeked at", "replaced", "unused"} {
		m.Put(k, 1)
	}
	m.Rotate()
	assert.Equal(t, 4, m.Len())
	m.Get("used")
	m.Peek("peeked at")
	m.Put("replaced", 2)
	assert.Equal(t, 4, m.Len(), "a value is in one generation")
	m.Rotate()
	for k, want := range map[string]int{"used": 1, "replaced": 2} {
		v, ok := m.Peek(k)
		assert.True(t, ok, k)
		assert.Equal(t, want, v, k)
	}
	assert.Equal(t, 2, m.Len())
}

func TestAnUnboundedMapRotatesOnlyOnRequest(t *testing.T) {
	var m cache.Map[int, int]
	for i := range 100_000 {
		m.Put(i, i)
	}
	assert.Equal(t, 100_000, m.Len())
	assert.Equal(t, 100_000, m.Weight())
	m.Rotate()
	assert.Zero(t, m.Weight())
	assert.Equal(t, 100_000, m.Len())
}

// A value that became heavier where it is counts towards the next rotation.
func TestGrownValuesCauseARotation(t *testing.T) {
	m := cache.Map[string, int]{Max: 10}
	m.Put("a", 0)
	m.Grow(9)
	assert.Equal(t, 10, m.Weight())
	m.Put("b", 0)
	assert.Equal(t, 1, m.Weight())
	assert.Equal(t, 2, m.Len())
}

// The cache holds at most twice Max and the weight of two values. It returns the value that
// was put last, and keeps a value that is used between any two rotations.
func TestTheMapIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit, heaviest = 50, 20
		m := cache.Map[int, int]{Max: limit, Weigh: func(v int) int { return v }}
		last := map[int]int{}
		const always = -1
		m.Put(always, 1)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			k := rapid.IntRange(0, 40).Draw(t, "key")
			if rapid.Bool().Draw(t, "put") {
				last[k] = rapid.IntRange(1, heaviest).Draw(t, "weight")
				m.Put(k, last[k])
			} else if v, ok := m.Get(k); ok && v != last[k] {
				t.Fatalf("%d has %d, want %d", k, v, last[k])
			}
			if _, ok := m.Get(always); !ok {
				t.Fatal("a value in constant use was discarded")
			}
			total := 0
			for k := range 41 {
				v, _ := m.Peek(k)
				total += v
			}
			if most := 2 * (limit + heaviest); total > most {
				t.Fatalf("the values weigh %d, more than %d", total, most)
			}
		}
	})
}

func TestRotateAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.Map[string, int]{Max: 3}
		use := func(k string) bool {
			m.RotateAfter(time.Minute, time.Now())
			_, ok := m.Get(k)
			return ok
		}
		m.Put("a", 1)
		time.Sleep(time.Minute - time.Nanosecond)
		require.True(t, use("a"), "the last use")
		time.Sleep(time.Minute)
		assert.True(t, use("a"), "used one minute ago")
		m.RotateAfter(time.Minute, time.Now())
		assert.Equal(t, 1, m.Weight(), "there was a rotation just now")
		time.Sleep(time.Minute)
		assert.False(t, use("b"))
		time.Sleep(time.Minute)
		assert.False(t, use("a"), "not used for two minutes")

		// A rotation of a full generation starts the minute again.
		for _, k := range []string{"a", "b", "c"} {
			m.Put(k, 1)
		}
		time.Sleep(50 * time.Second)
		m.Put("d", 1)
		time.Sleep(50 * time.Second)
		m.RotateAfter(time.Minute, time.Now())
		assert.Equal(t, 1, m.Weight())
		assert.Equal(t, 4, m.Len())
	})
}

func TestUseAllocatesNothing(t *testing.T) {
	m := cache.Map[string, int]{Max: 10}
	m.Put("a", 1)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		m.RotateAfter(time.Hour, time.Now())
		m.Get("a")
		m.Peek("b")
	}))
}
