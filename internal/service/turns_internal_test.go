package service

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		first, err := all.take(t.Context(), "ada")
		require.NoError(t, err)
		other, err := all.take(t.Context(), "grace")
		require.NoError(t, err)
		other()
		got := make(chan string, 2)
		go func() {
			done, err := all.take(t.Context(), "ada")
			assert.NoError(t, err)
			got <- "second"
			done()
		}()
		leaving, leave := context.WithCancel(t.Context())
		go func() {
			_, err := all.take(leaving, "ada")
			assert.ErrorIs(t, err, context.Canceled)
			got <- "left"
		}()
		synctest.Wait()
		assert.Empty(t, got, "it is not their turn")
		leave()
		assert.Equal(t, "left", <-got)
		first()
		assert.Equal(t, "second", <-got)
		synctest.Wait()
		assert.Empty(t, all.users, "nothing is left of those who are done")
	})
}
