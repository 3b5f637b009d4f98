package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// heardBy is what ada hears in the test below, computed from its definition.
type heardBy struct {
	*members
	joined map[notify.Topic]bool
	heard  []notify.Sequence // ascending
	read   map[notify.Sequence]bool
}

// step applies a random entry about some of the topics.
func (h *heardBy) step(topics []notify.Topic, r *rand.Rand) {
	topic, other := topics[r.IntN(len(topics))], topics[r.IntN(len(topics))]
	switch r.IntN(6) {
	case 0:
		h.apply(notify.Members{Topic: topic, Add: []notify.UserID{"ada"}})
		h.joined[topic] = true
	case 1:
		h.apply(notify.Members{Topic: topic, Remove: []notify.UserID{"ada"}})
		delete(h.joined, topic)
	case 2:
		if len(h.heard) > 0 {
			seq := h.heard[r.IntN(len(h.heard))]
			h.apply(notify.Mark{Reader: notify.Reader{User: "ada"}, Verb: notify.VerbRead, IDs: []string{idOf(int(seq))}})
			h.read[seq] = true
		}
	case 3:
		if h.publish("to two", 0, slices.Compact([]notify.Topic{topic, other})...); h.joined[topic] || h.joined[other] {
			h.heard = append(h.heard, h.last)
		}
	default:
		if h.publish("to one", 0, topic); h.joined[topic] {
			h.heard = append(h.heard, h.last)
		}
	}
}

// check compares lists, counts and pages of history with what ada hears.
func (h *heardBy) check(r *rand.Rand) {
	reader := notify.Reader{User: "ada"}
	var listed []notify.Sequence
	for before, more := notify.Sequence(0), true; more; {
		page, err := h.List(reader, before, h.last, &notify.Filter{State: notify.StateAll}, 1+r.IntN(9), time.Now())
		require.NoError(h.t, err)
		for i := range page.Notifications {
			n := &page.Notifications[i]
			require.Equal(h.t, h.read[n.Sequence], !n.Read.IsZero(), "%d is read", n.Sequence)
			listed = append(listed, n.Sequence)
		}
		before, more = page.Next, page.Next > 0
	}
	slices.Reverse(listed)
	require.Equal(h.t, h.heard, listed)

	counts, err := h.Counts(reader, h.last)
	require.NoError(h.t, err)
	require.Equal(h.t, len(h.heard)-len(h.read), counts.Unread)
	filtered, err := h.CountMatching(reader, h.last, &notify.Filter{Types: []notify.TypePattern{"*"}}, notify.ByNothing)
	require.NoError(h.t, err)
	require.Equal(h.t, counts, filtered.Counts)

	after := notify.Sequence(r.IntN(int(h.last)))
	at, _ := slices.BinarySearch(h.heard, after+1)
	var missed []notify.Sequence
	for upTo := after; upTo < h.last; {
		page, err := h.History(reader, upTo, h.last, 1+r.IntN(9))
		require.NoError(h.t, err)
		for i := range page.Notifications {
			missed = append(missed, page.Notifications[i].Sequence)
		}
		upTo = page.End
	}
	require.ElementsMatch(h.t, h.heard[at:], missed)
	require.True(h.t, slices.IsSorted(missed))
}

// A member of many topics lists, counts and resumes what a member of few would, in the one order.
func TestAMemberOfManyTopicsReadsOneOrder(t *testing.T) {
	for _, n := range []int{3, 40} {
		t.Run(fmt.Sprint(n, " topics"), func(t *testing.T) {
			topics := make([]notify.Topic, n)
			for i := range topics {
				topics[i] = notify.Topic(fmt.Sprintf("project.%d", i))
			}
			r := rand.New(rand.NewPCG(1, uint64(n)))
			h := &heardBy{members: newMembers(t), joined: map[notify.Topic]bool{}, read: map[notify.Sequence]bool{}}
			for range 40 {
				for range 10 {
					h.step(topics, r)
				}
				h.check(r)
			}
		})
	}
}
