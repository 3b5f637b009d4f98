package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// foreign is an entry of a type that no version of the program has.
type foreign struct{ notify.Entry }

// invalidEntries are entries that no correct program of this version appends.
func invalidEntries() map[string]notify.Entry {
	long := strings.Repeat("x", 70_000) // longer than the length of a name in a key can say
	ada := []notify.UserID{"ada"}
	reader := notify.Reader{User: "ada"}
	far := time.Date(300_000_000, 1, 1, 0, 0, 0, 0, time.UTC)
	publish := notify.Publish{ID: idOf(1), Audience: notify.AudienceUser, Users: ada}
	with := func(change func(*notify.Publish)) notify.Publish {
		p := publish
		change(&p)
		return p
	}
	toTopics := func(topics ...notify.Topic) notify.Publish {
		return with(func(p *notify.Publish) { p.Audience, p.Users, p.Topics = notify.AudienceTopic, nil, topics })
	}
	return map[string]notify.Entry{
		"none":                     nil,
		"a type of another":        foreign{},
		"a pointer":                &publish,
		"no pointer":               (*notify.Publish)(nil),
		"could not be decoded":     notify.Unknown{Reason: "kind 99", Encoded: []byte{99}},
		"to no user":               with(func(p *notify.Publish) { p.Users = nil }),
		"to everyone and a user":   with(func(p *notify.Publish) { p.Audience = notify.AudienceAll }),
		"to users and topics":      with(func(p *notify.Publish) { p.Topics = []notify.Topic{"t"} }),
		"to another audience":      with(func(p *notify.Publish) { p.Audience, p.Users = "some", nil }),
		"to a user twice":          with(func(p *notify.Publish) { p.Users = []notify.UserID{"ada", "eve", "ada"} }),
		"to a user without a name": with(func(p *notify.Publish) { p.Users = []notify.UserID{""} }),
		"to a user of a long name": with(func(p *notify.Publish) { p.Users = []notify.UserID{notify.UserID(long)} }),
		"to too many":              with(func(p *notify.Publish) { p.Users = make([]notify.UserID, notify.MaxUsers+1) }),
		"to a pattern":             toTopics("a.*"),
		"to a topic twice":         toTopics("a", "a"),
		"to too many topics":       toTopics("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"),
		"to no topic":              toTopics(),
		"without an ID":            with(func(p *notify.Publish) { p.ID = "" }),
		"a long ID":                with(func(p *notify.Publish) { p.ID = long }),
		"a long collapse key":      with(func(p *notify.Publish) { p.CollapseKey = long }),
		"a negative lifetime":      with(func(p *notify.Publish) { p.TTL = -1 }),
		"delivered too late":       with(func(p *notify.Publish) { p.DeliverAt = far }),
		"rules of no user":         notify.UserPreferences{Preferences: off("t")},
		"too many rules":           notify.UserPreferences{User: "ada", Preferences: off(make([]notify.TypePattern, notify.MaxPreferenceRules+1)...)},
		"a rule without a level":   notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Rules: []notify.PreferenceRule{{Type: "t"}}}},
		"a rule for no type":       notify.UserPreferences{User: "ada", Preferences: off("t*")},
		"quiet all day":            notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Quiet: &notify.Quiet{Zone: "UTC"}}},
		"quiet beyond the day":     notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Quiet: &notify.Quiet{From: 1440, Zone: "UTC"}}},
		"quiet nowhere":            notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Quiet: &notify.Quiet{To: 1}}},
		"a mark of no user":        notify.Mark{Verb: notify.VerbRead, Through: 1},
		"a mark of a long user":    notify.Mark{Reader: notify.Reader{User: notify.UserID(long)}, Verb: notify.VerbRead, Through: 1},
		"a mark without a verb":    notify.Mark{Reader: reader, Through: 1},
		"a mark by another verb":   notify.Mark{Reader: reader, Verb: "forget", Through: 1},
		"a mark of too many":       notify.Mark{Reader: reader, Verb: notify.VerbRead, IDs: make([]string, notify.MaxMarks+1)},
		"a mark by an empty topic": notify.Mark{Reader: notify.Reader{User: "ada", Topics: []notify.TopicPattern{""}}, Verb: notify.VerbRead, Through: 1},
		"a recall of nothing":      notify.Recall{},
		"a revocation of nothing":  notify.Revocation{},
		"of a user at no time":     notify.Revocation{User: "ada"},
		"of a user and a token":    notify.Revocation{User: "ada", Before: noon(), TokenID: "id"},
		"of a token at a time":     notify.Revocation{TokenID: "id", Before: noon()},
		"of an issuer's user":      notify.Revocation{User: "ada", Before: noon(), Issuer: "one"},
		"of a user much later":     notify.Revocation{User: "ada", Before: far},
		"of a long user":           notify.Revocation{User: notify.UserID(long), Before: noon()},
	}
}

// An entry that is unknown or invalid uses up its sequence and changes nothing. The other entries
// of the transaction are applied.
func TestInvalidEntriesChangeNothing(t *testing.T) {
	for name, e := range invalidEntries() {
		t.Run(name, func(t *testing.T) {
			s := openIn(t, vfs.NewMem())
			defer s.Close()
			apply(t, s, noon(), toUsers(1, "", "ada"))
			before := dumpOf(t, s)
			verdicts, changes, err := s.Apply(2, notify.Stamp(noon(), e))
			require.NoError(t, err)
			assert.Equal(t, notify.Sequence(2), verdicts[0].Sequence)
			require.ErrorIs(t, verdicts[0].Err, notify.ErrNotApplied)
			assert.Empty(t, changes)
			after := dumpOf(t, s)
			for _, key := range []string{"s", "C", "y"} { // the state has the sequence, and so have the sizes and the spans
				assert.NotEqual(t, before[key], after[key])
				delete(before, key)
				delete(after, key)
			}
			assert.Equal(t, before, after)

			verdicts, changes, err = s.Apply(3, notify.Stamp(noon(), toUsers(3, "", "ada"), e, toUsers(5, "", "ada")))
			require.NoError(t, err)
			require.NoError(t, verdicts[0].Err)
			require.ErrorIs(t, verdicts[1].Err, notify.ErrNotApplied)
			require.NoError(t, verdicts[2].Err)
			assert.Len(t, changes, 2)
			page, err := s.History(notify.Reader{User: "ada"}, 0, 5, 10)
			require.NoError(t, err)
			assert.Len(t, page.Notifications, 3)
		})
	}
}

// An entry with an impossible time, or a time before that of its predecessor, gets the time of its
// predecessor.
func TestImpossibleTimes(t *testing.T) {
	for _, at := range []time.Time{{}, time.UnixMilli(0), time.Date(300_000_000, 1, 1, 0, 0, 0, 0, time.UTC), noon().Add(-time.Hour)} {
		s := openIn(t, vfs.NewMem())
		apply(t, s, noon(), toUsers(1, "", "ada"))
		_, changes, err := s.Apply(2, notify.Stamp(at, toUsers(2, "", "ada")))
		require.NoError(t, err)
		assert.Equal(t, noon(), changes[0].(*notify.Notification).Time)
		require.NoError(t, s.Close())
	}
}
