package limit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/limit"
)

// Keys take turns, however many requests one of them has.
func TestSlotsAreGrantedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limit.NewSlots(2, 0)
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		ask := func(key string) {
			wg.Go(func() {
				if s.Acquire(t.Context(), key) == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, key)
				}
			})
			synctest.Wait()
		}
		for _, key := range []string{"a", "a", "a", "a", "a", "b", "b", "c"} {
			ask(key)
		}
		require.Equal(t, []string{"a", "a"}, order)
		for _, key := range []string{"a", "a", "b", "c", "a", "a"} {
			s.Release(key)
			synctest.Wait()
		}
		require.Equal(t, []string{"a", "a", "a", "b", "c", "a", "b", "a"}, order)
		wg.Wait()
	})
}

func TestAKeyHasALimitedNumberOfSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limit.NewSlots(0, 2)
		require.NoError(t, s.Acquire(t.Context(), "a"))
		require.NoError(t, s.Acquire(t.Context(), "a"))
		require.NoError(t, s.Acquire(t.Context(), "b"))
		ctx, cancel := context.WithCancel(t.Context())
		third, fourth := make(chan error, 1), make(chan error, 1)
		go func() { third <- s.Acquire(ctx, "a") }()
		synctest.Wait()
		go func() { fourth <- s.Acquire(t.Context(), "a") }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-third, context.Canceled)
		s.Release("a")
		require.NoError(t, <-fourth, "a withdrawn request holds no slot")
	})
}

// In whatever order requests are made and withdrawn, no limit is exceeded, and all slots are
// free in the end.
func TestSlotsAreExact(t *testing.T) {
	const most, each = 5, 2
	s := limit.NewSlots(most, each)
	var mu sync.Mutex
	held, all := map[string]int{}, 0
	count := func(key string, n int) {
		mu.Lock()
		defer mu.Unlock()
		held[key] += n
		all += n
		if all > most || held[key] > each {
			t.Errorf("%d are held, %d of %s", all, held[key], key)
		}
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 100 {
				key := fmt.Sprint((i + k) % 4)
				ctx, cancel := context.WithCancel(t.Context())
				if (i+k)%3 == 0 {
					go cancel()
				}
				if err := s.Acquire(ctx, key); err == nil {
					count(key, 1)
					count(key, -1)
					s.Release(key)
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for i := range most { // none of them waits
		require.NoError(t, s.Acquire(t.Context(), fmt.Sprint("other ", i)))
	}
}
