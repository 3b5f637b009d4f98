package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Concurrent requests with one idempotency key store one notification. Each response
// has its id, or says that the first request is still in progress. Rounds go on until
// both responses have been seen.
func TestConcurrentRequestsWithOneIdempotencyKey(t *testing.T) {
	const together, rounds = 20, 50
	s := start(t)
	ada := s.live("ada")
	users := make([]string, 200) // many, so that storing takes longer
	for i := range users {
		users[i] = fmt.Sprintf("user-%d", i)
	}
	users[0] = "ada"

	var stored, inProgress, round int
	for ; round < rounds && (round < 5 || inProgress == 0); round++ {
		title := fmt.Sprintf("round %d", round)
		body := draft(t, title, users...)
		answers := make([]response, together)
		ready := make(chan struct{})
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				<-ready
				answers[i] = s.post("/notify", body, "Idempotency-Key", title)
			})
		}
		close(ready)
		all.Wait()

		last := s.post("/notify", body, "Idempotency-Key", title).json(t)
		assert.Equal(t, true, last["duplicate"])
		first := 0
		for _, a := range answers {
			require.NotNil(t, a.Response)
			switch a.StatusCode {
			case http.StatusAccepted:
				stored++
				assert.Equal(t, last["id"], a.json(t)["id"])
				if a.json(t)["duplicate"] == false {
					first++
				}
			case http.StatusConflict:
				inProgress++
				assert.Equal(t, "in-progress", a.problem(t))
				assert.Equal(t, "1", a.Header.Get("Retry-After"))
			default:
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
		}
		assert.Equal(t, 1, first, "exactly one response is not a duplicate")
		f := ada.read()
		assert.Equal(t, title, f.text("title"), "each title is delivered once")
		assert.Equal(t, last["id"], f.Data["id"])
	}
	s.publish("the end", "ada")
	ada.expect("the end")
	assert.Len(t, s.history("ada", "earliest").titles, round+1)
	require.NotZero(t, inProgress, "no two requests overlapped in %d rounds", round)
	t.Logf("%d rounds: %d responses with 202, %d with 409", round, stored, inProgress)
}
