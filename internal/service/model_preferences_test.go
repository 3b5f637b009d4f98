package service_test

import (
	"context"
	"errors"
	"reflect"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
)

// drawnRules returns rules, of which some hide what the model publishes.
func drawnRules(t *rapid.T) (rules []notify.PreferenceRule) {
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		rules = append(rules, notify.PreferenceRule{
			Type:  rapid.SampledFrom([]notify.TypePattern{"", "t", "comment.*", "comment.deleted"}).Draw(t, "rule for type"),
			Topic: rapid.SampledFrom([]notify.TopicPattern{"", "", "team", "project.*", "project.b", "other"}).Draw(t, "rule for topic"),
			Level: rapid.SampledFrom([]notify.Level{notify.LevelOff, notify.LevelOff, notify.LevelAlert, notify.LevelSilent}).Draw(t, "level"),
		})
	}
	return rules
}

// prefer replaces the preferences of a user.
func (w *world) prefer(t *rapid.T) {
	c := drawn(t, w.clients)
	e := notify.UserPreferences{User: c.by.User, Preferences: notify.Preferences{Rules: drawnRules(t)}}
	if err := w.service.SetPreferences(context.Background(), c.by, e); err != nil {
		t.Fatal(err)
	}
	got, err := w.service.Preferences(context.Background(), c.by, c.by.User)
	if err != nil || !reflect.DeepEqual(got, e.Preferences) {
		t.Fatalf("%s has the preferences %+v, want %+v (%v)", c.by.User, got, e.Preferences, err)
	}
	if other := (notify.Principal{User: "eve", Name: "user:eve"}); !errors.Is(w.service.SetPreferences(context.Background(), other, e), notify.ErrScope) {
		t.Fatal("eve has changed the preferences of another user")
	}
}

// erase erases a user, whose devices forget what they have received.
func (w *world) erase(t *rapid.T) {
	user := drawn(t, w.clients).by.User
	operator := notify.Principal{Name: "key:operator", Scopes: []notify.Scope{notify.ScopeAdmin}}
	if err := w.service.Erase(context.Background(), operator, user); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.clients {
		if c.by.User != user {
			continue
		}
		connected := c.device != nil
		if connected {
			c.leave()
		}
		if c.forget(); connected {
			c.connect(w.rig, w.model)
		}
	}
}
