package traffic

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Visited is what the visitors of a mixed load did, each with an acknowledgement.
type Visited struct {
	Deferred, Expiring, Ephemeral, Marked, Tickets, Revoked int

	Latest time.Duration // the longest time for which a deferred notification was late
}

// String is for the table.
func (v *Visited) String() string {
	return fmt.Sprintf("%d deferred, %d expiring and %d ephemeral notifications, %d read marks, %d tickets, %d revocations",
		v.Deferred, v.Expiring, v.Ephemeral, v.Marked, v.Tickets, v.Revoked)
}

// RequireKept checks what the visitors were promised, on every node. It must be called after Stop:
//   - each deferred notification arrived once, not before it was due, and is in the inbox;
//   - an expiring one arrived at most once, and is no longer in the inbox;
//   - an ephemeral one is not in the inbox; it has no cursor, so a listener that goes to a node which is
//     behind may receive it there again;
//   - each mark is there;
//   - each ticket was accepted once;
//   - each revoked token is refused.
func (l *Load) RequireKept(t *testing.T) (done *Visited) {
	t.Helper()
	done = &Visited{}
	for i, v := range l.visitors {
		done.add(v)
		late := l.subs[i].requireOnce(v)
		done.Latest = max(done.Latest, late)
		require.Empty(t, v.broken)
	}
	for _, node := range l.o.URLs() {
		require.EventuallyWithT(t, func(c *assert.CollectT) { // a node may be some entries behind, or a notification not expired yet
			for _, v := range l.visitors {
				assert.Empty(c, v.missingOn(node), node)
			}
		}, timeout, 200*time.Millisecond)
	}
	return done
}

func (v *Visited) add(by *visitor) {
	v.Deferred, v.Expiring, v.Ephemeral = v.Deferred+len(by.due), v.Expiring+len(by.expires), v.Ephemeral+len(by.fleeting)
	v.Marked, v.Tickets, v.Revoked = v.Marked+len(by.read), v.Tickets+by.tickets, v.Revoked+len(by.revoked)
}

// requireOnce compares what arrived with what the visitor published. late is the longest time for
// which a deferred notification was late.
func (s *listener) requireOnce(v *visitor) (late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, due := range v.due {
		switch at, times := s.first[id], s.times[id]; {
		case times != 1:
			v.breaks("the deferred notification %s, due at %s, arrived %d times", id, due, times)
		case at.Before(due):
			v.breaks("the deferred notification %s arrived %v before it was due", id, due.Sub(at))
		default:
			late = max(late, at.Sub(due))
		}
	}
	for _, id := range v.expires {
		if s.times[id] > 1 {
			v.breaks("the expiring notification %s arrived %d times", id, s.times[id])
		}
	}
	return late
}

// missingOn returns, in words, what a node should answer and does not.
func (v *visitor) missingOn(node string) (missing []string) {
	say := func(format string, args ...any) {
		missing = append(missing, v.user+": "+fmt.Sprintf(format, args...))
	}
	lists := map[string]map[string]bool{} // whether each was read, by type and ID
	for _, kind := range []string{deferred, expiring, ephemeral, marked} {
		list, err := v.inbox(node, kind)
		if err != nil {
			say("%v", err)
			return missing
		}
		lists[kind] = list
	}
	if n := len(lists[expiring]) + len(lists[ephemeral]); n > 0 {
		say("%d expired or ephemeral notifications in the inbox", n)
	}
	for id := range v.due {
		if _, ok := lists[deferred][id]; !ok {
			say("the deferred notification %s is not in the inbox", id)
		}
	}
	if len(lists[deferred]) != len(v.due) {
		say("%d deferred notifications instead of %d", len(lists[deferred]), len(v.due))
	}
	for _, id := range v.read {
		if !lists[marked][id] {
			say("the notification %s is not read", id)
		}
	}
	for _, token := range v.revoked {
		if status, err := v.ask(node, inboxOf(token, plain, "")); status != http.StatusUnauthorized {
			say("a revoked token is answered with %d: %v", status, err)
		}
	}
	return missing
}
