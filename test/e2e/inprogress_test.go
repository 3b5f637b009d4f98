package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Those who use one key at once get one notification: each is told its id, or
// that it is on its way. Rounds go on until both have happened.
func TestOneKeyAtOnce(t *testing.T) {
	const together, rounds = 20, 50
	s := start(t)
	ada := s.live("ada")
	users := make([]string, 200) // so that it takes a while to store
	for i := range users {
		users[i] = fmt.Sprintf("user-%d", i)
	}
	users[0] = "ada"

	var stored, inProgress, round int
	for ; round < rounds && (round < 5 || inProgress == 0); round++ {
		title := fmt.Sprintf("round %d", round)
		body := draft(t, title, users...)
		answers := make([]answer, together)
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
				t.Errorf("answered %d: %s", a.StatusCode, a.body)
			}
		}
		assert.Equal(t, 1, first, "one was the first")
		f := ada.read()
		assert.Equal(t, title, f.text("title"), "once each")
		assert.Equal(t, last["id"], f.Data["id"])
	}
	s.publish("the end", "ada")
	ada.expect("the end")
	assert.Len(t, s.past("ada", "earliest").titles, round+1)
	require.NotZero(t, inProgress, "%d rounds, and never at once", round)
	t.Logf("%d rounds: %d answered 202, %d answered 409", round, stored, inProgress)
}
