package e2e

import (
	"net/http"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// prefer replaces the preferences of a user: often by none, since the counts of others come late. If
// other notifications are hidden then, all connections of the user end, and resume.
func (w *world) prefer(t *rapid.T) {
	d := w.some(t)
	e := notify.UserPreferences{User: d.reader.User}
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "rules") {
		rule := notify.PreferenceRule{
			Type:  rapid.SampledFrom([]notify.TypePattern{"", "test", "comment.*"}).Draw(t, "rule for type"),
			Level: rapid.SampledFrom([]notify.Level{notify.LevelOff, notify.LevelOff, notify.LevelAlert}).Draw(t, "level"),
		}
		if topic := rapid.SampledFrom([]string{"", "", "team", "project.*", "project.b"}).Draw(t, "rule for topic"); topic != "" {
			rule.Topic = notify.TopicPattern(w.name(topic))
		}
		e.Rules = append(e.Rules, rule)
	}
	before := w.model.Preferences(e.User)
	a := w.s.do(http.MethodPut, "/preferences", string(wire.AppendPreferences(nil, &e.Preferences)), "Authorization", "Bearer "+d.token)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s prefers %+v: %d %s", d.name, e.Preferences, a.StatusCode, a.body)
	}
	w.apply(e)
	if before.Muting().Equal(e.Muting()) {
		return
	}
	for _, d := range w.devices {
		if d.reader.User != e.User || d.conn == nil {
			continue
		}
		for resumed := d.resumes; d.resumes == resumed; {
			d.read(t)
		}
	}
}
