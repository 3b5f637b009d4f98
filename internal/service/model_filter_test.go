package service_test

import (
	"context"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// checkFilters compares a list and the counts of some filter with the model.
func (w *world) checkFilters(t *rapid.T, by notify.Principal, limit int) {
	f := notify.Filter{
		State:  rapid.SampledFrom([]notify.InboxState{notify.StateInbox, notify.StateUnread, notify.StateAll}).Draw(t, "state"),
		Types:  rapid.SampledFrom([][]notify.TypePattern{nil, {"comment.*"}, {"t", "comment.deleted"}}).Draw(t, "types"),
		Topics: rapid.SampledFrom([][]notify.TopicPattern{nil, {"team"}, {"project.*", "other"}}).Draw(t, "topics"),
	}
	if rapid.Bool().Draw(t, "urgent") {
		f.Priorities = []notify.Priority{notify.PriorityHigh}
	}
	w.checkList(t, by, f, limit)
	grouping := rapid.SampledFrom([]notify.Grouping{notify.ByNothing, notify.ByType, notify.ByTopic, notify.ByPriority}).Draw(t, "by")
	got, err := w.service.Counts(context.Background(), by, f, grouping)
	if err != nil {
		t.Fatal(err)
	}
	if want := w.model.CountMatching(by.Reader(), &f, grouping); got.Counts != want.Counts || !maps.Equal(got.By, want.By) {
		t.Fatalf("%s has %+v of %+v by %q, want %+v", by.User, got, f, grouping, want)
	}
}

func TestFilteredListsAndCounts(t *testing.T) {
	r := newRig(t)
	p := listener()
	publish := func(name string, priority notify.Priority, topics ...notify.Topic) {
		d := draft(name, "ada")
		d.Type, d.Priority = name, priority
		if topics != nil {
			d.Users, d.Topics = nil, topics
		}
		_, err := r.service.Publish(t.Context(), backend(), service.Call{}, d)
		require.NoError(t, err)
	}
	publish("comment.created", notify.PriorityNormal)
	publish("comment.created", notify.PriorityHigh, "team", "other")
	publish("mention", notify.PriorityHigh)
	publish("comment.deleted", notify.PriorityLow, "team")

	q := service.Query{Filter: notify.Filter{Types: []notify.TypePattern{"comment.*"}}, Limit: 2}
	page, err := r.service.List(t.Context(), p, q)
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	assert.Equal(t, notify.Counts{Unread: 3, Unseen: 3}, page.Counts)
	q.Before = page.Next
	page, err = r.service.List(t.Context(), p, q)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, notify.Counts{Unread: 3, Unseen: 3}, page.Counts, "each page has the counts of the filter")
	assert.Empty(t, page.Next)

	one, two := notify.Counts{Unread: 1, Unseen: 1}, notify.Counts{Unread: 2, Unseen: 2}
	for by, want := range map[notify.Grouping]map[string]notify.Counts{
		notify.ByType:     {"comment.created": two, "comment.deleted": one, "mention": one},
		notify.ByTopic:    {"team": two},
		notify.ByPriority: {"low": one, "normal": one, "high": two},
	} {
		c, err := r.service.Counts(t.Context(), p, notify.Filter{}, by)
		require.NoError(t, err)
		assert.Equal(t, notify.GroupedCounts{Counts: notify.Counts{Unread: 4, Unseen: 4}, By: want}, c)
	}
	_, err = r.service.Counts(t.Context(), backend(), notify.Filter{}, notify.ByType)
	require.ErrorIs(t, err, notify.ErrScope)
}
