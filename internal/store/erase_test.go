package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	iofs "io/fs"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// eraseAll erases a user, in as many entries as that takes, and returns their number.
func eraseAll(t *testing.T, s *store.Store, at time.Time, u notify.UserID) (entries int) {
	t.Helper()
	e := notify.Erase{User: u}
	for {
		v := apply(t, s, at, e)[0]
		require.NoError(t, v.Err)
		entries++
		require.Equal(t, v.Rest != "", v.More)
		if !v.More {
			return entries
		}
		e.From = v.Rest
	}
}

// filesWith returns the names of the files below a directory that contain a text.
func filesWith(t *testing.T, fs vfs.FS, dir, text string) (names []string) {
	t.Helper()
	all, err := fs.List(dir)
	require.NoError(t, err)
	for _, name := range all {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if errors.Is(err, iofs.ErrNotExist) {
			continue // deleted meanwhile
		}
		require.NoError(t, err)
		if info.IsDir() {
			names = append(names, filesWith(t, fs, path, text)...)
			continue
		}
		f, err := fs.Open(path)
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		b, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		if bytes.Contains(b, []byte(text)) {
			names = append(names, name)
		}
	}
	return names
}

const (
	erasedUser = "Qz7Vx2Lk9Wd4Rb6T"
	erasedText = "mB3xHq8ZtY5wKp1N"
)

// aboutUser are entries after which everything that the store can keep about a user is there.
func aboutUser(u notify.UserID) []notify.Entry {
	text := func(e notify.Publish, text string) notify.Publish {
		e.Content = append(e.Content, `,"title":"`+text+`"`...)
		return e
	}
	alone := text(toUsers(1, "build", u), erasedText)
	replaced, recalled, several := text(toUsers(2, "build", u), erasedText), text(toUsers(3, "", u, "grace"), "both"), toUsers(4, "", "grace", u, "eve")
	several.Receipt = true
	own := published(toUsers(5, "", "grace"))
	own.By = u.PrincipalName()
	owner := notify.KeyOwner(own.By)
	own.Key.Name = sha256.Sum256([]byte("x"))
	copy(own.Key.Name[:], owner[:])
	deferred, deferredBoth := text(toUsers(6, "", u), erasedText), toUsers(7, "", u, "grace")
	deferred.DeliverAt, deferredBoth.DeliverAt = noon().Add(time.Hour), noon().Add(time.Hour)
	everyone := toUsers(8, "", u)
	everyone.Users, everyone.Audience, everyone.Except = nil, notify.AudienceAll, []notify.UserID{u}
	topic, topics := toTopics(9, "team"), toTopics(10, "team", "news")
	topic.By, topics.By = u.PrincipalName(), u.PrincipalName()
	read := markBy(u, notify.VerbRead, idOf(9), idOf(10), idOf(4))
	read.Reader.Topics = []notify.TopicPattern{"team", "news"}
	full := toUsers(11, "", u)
	full.Keep = 1
	return []notify.Entry{
		alone, replaced, recalled, several, own, deferred, deferredBoth, everyone,
		notify.Members{Topic: "news", Add: []notify.UserID{u, "grace"}},
		topic, topics, read,
		notify.Recall{ID: idOf(3)},
		notify.Members{Topic: "old", Add: []notify.UserID{u}},
		notify.Members{Topic: "old", Remove: []notify.UserID{u}},
		notify.Delivered{Deliveries: []notify.Delivery{{User: u, Sequence: 4}, {User: "grace", Sequence: 4}, {User: u, Sequence: 1}, {User: "nobody", Sequence: 99}}},
		full,
		notify.Ticket{Hash: sha256.Sum256([]byte("t")), Principal: notify.Principal{User: u, Name: u.PrincipalName()}},
	}
}

// After an erasure and a purge, no file has the name of the user, nor the text of the user's
// notifications. Nothing of other users has changed.
func TestAnErasedUserIsInNoFile(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	apply(t, s, noon(), aboutUser(erasedUser)...)
	require.NoError(t, s.Close()) // what follows is in tables and in a log
	s = openIn(t, fs)
	apply(t, s, noon(), published(toUsers(20, "", erasedUser)), toUsers(21, "", "grace"))
	for _, text := range []string{erasedUser, erasedText} {
		require.NotEmpty(t, filesWith(t, fs, "data", text), "the test can find it")
	}
	before, err := s.List(notify.Reader{User: "grace", Topics: []notify.TopicPattern{"team"}}, 0, s.Last(), &notify.Filter{}, 100, noon())
	require.NoError(t, err)

	assert.Equal(t, 1, eraseAll(t, s, noon(), erasedUser))
	require.NoError(t, s.Purge(t.Context(), 1<<40))
	assert.Empty(t, filesWith(t, fs, "data", erasedText))
	for _, name := range filesWith(t, fs, "data", erasedUser) {
		assert.True(t, strings.HasPrefix(name, "MANIFEST"), "%s has the name of the user", name)
	}
	left, err := s.Dump()
	require.NoError(t, err)
	for k, v := range left {
		assert.NotContains(t, k+v, erasedUser)
	}
	checkUsageOf(t, s)
	other, err := s.CountOther()
	require.NoError(t, err)
	assert.Equal(t, other, s.Usage().Other)
	kept, err := s.CountNotifications()
	require.NoError(t, err)
	assert.Equal(t, kept, s.Usage().Notifications)

	after, err := s.List(notify.Reader{User: "grace", Topics: []notify.TopicPattern{"team"}}, 0, s.Last(), &notify.Filter{}, 100, noon())
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Empty(t, trace(t, s, 5, "", noon()).By, "the name of the publisher")
	page, err := s.Export(erasedUser, "")
	require.NoError(t, err)
	assert.Equal(t, store.ExportPage{}, page)
	require.NoError(t, s.Close())

	s = openIn(t, fs)
	apply(t, s, noon().Add(time.Hour), notify.Recall{ID: idOf(7)}, notify.Recall{ID: idOf(4)}, notify.Recall{ID: idOf(5)}, notify.Recall{ID: idOf(10)})
	cleanUpAll(t, s, noon().Add(100*24*time.Hour), notify.Cleanup{Retention: time.Hour})
	assert.Zero(t, s.Usage().Notifications)
	require.NoError(t, s.Close())
	require.NoError(t, openIn(t, fs).Close())
	assert.Empty(t, filesWith(t, fs, "data", erasedUser), "each start that writes begins a new MANIFEST, and one earlier is kept")
}

// A long history is erased in several entries, each of which does a bounded part. What is published
// meanwhile stays.
func TestAnErasureTakesSeveralEntries(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	var entries []notify.Entry
	for n := 1; n <= 600; n++ {
		for i, u := range []notify.UserID{"ada", "grace"} {
			e := toUsers(10_000*i+n, "", u)
			e.Keep = 0
			entries = append(entries, e)
		}
	}
	apply(t, s, noon(), entries...)
	first := apply(t, s, noon(), notify.Erase{User: "ada"})[0]
	require.True(t, first.More)
	apply(t, s, noon(), toUsers(700, "", "ada"))
	v := first
	for steps := 0; v.More; steps++ {
		require.Less(t, steps, 10)
		v = apply(t, s, noon(), notify.Erase{User: "ada", From: v.Rest})[0]
		require.NoError(t, v.Err)
	}
	assert.LessOrEqual(t, unread(t, s, "ada"), 1)
	assert.Equal(t, 600, unread(t, s, "grace"))
	eraseAll(t, s, noon(), "ada")
	assert.Equal(t, 0, unread(t, s, "ada"))
	assert.ErrorIs(t, apply(t, s, noon(), notify.Erase{})[0].Err, notify.ErrNotApplied)
	assert.NoError(t, apply(t, s, noon(), notify.Erase{User: "ada", From: "\xff"})[0].Err)
}

func unread(t *testing.T, s *store.Store, u notify.UserID) int {
	t.Helper()
	n, err := s.Unread(notify.Reader{User: u}, ^notify.Sequence(0)>>1)
	require.NoError(t, err)
	return n
}

// An export has everything that the store keeps about a user, and nothing about others.
func TestAnExportHasEverything(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	apply(t, s, noon(), aboutUser(erasedUser)...)
	apply(t, s, noon(), notify.Revocation{User: erasedUser, Before: noon()}, toUsers(20, "", "grace"))
	kinds := map[store.KeptKind]int{}
	for from, more := "", true; more; {
		page, err := s.Export(erasedUser, from)
		require.NoError(t, err)
		for _, k := range page.Kept {
			kinds[k.Kind]++
			assert.Empty(t, k.Notification.Users)
		}
		from, more = page.Rest, page.Rest != ""
	}
	assert.Equal(t, map[store.KeptKind]int{
		store.KeptNotification: 1, store.KeptChange: 3, store.KeptReadState: 3, store.KeptTopic: 1, store.KeptKey: 1, store.KeptRevocation: 1,
		store.KeptTicket: 1, store.KeptDeferred: 2, store.KeptPublished: 3, store.KeptRemoved: 4, store.KeptDelivery: 1,
	}, kinds)
	empty, err := s.Export("nobody", "")
	require.NoError(t, err)
	assert.Empty(t, empty.Kept)
}

// A purge that did not take place, since the process ended after the erasure, is remembered. One that
// did is remembered too, and so it is not repeated at the next start.
func TestAPurgeIsRememberedOverRestarts(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	require.Zero(t, s.Unpurged())
	apply(t, s, noon(), toUsers(1, "", "ada"))
	eraseAll(t, s, noon(), "ada")
	erased := s.Last()
	require.Equal(t, erased, s.Unpurged())
	require.NoError(t, s.Close())

	s = openIn(t, fs)
	require.Equal(t, erased, s.Unpurged())
	require.NoError(t, s.Purge(t.Context(), erased))
	require.Zero(t, s.Unpurged())
	apply(t, s, noon(), toUsers(2, "", "ada"))
	require.NoError(t, s.Close())

	s = openIn(t, fs)
	require.Zero(t, s.Unpurged())
	s.EndPurges()
	require.ErrorIs(t, s.Purge(t.Context(), erased+10), context.Canceled, "the store is about to be closed")
	require.NoError(t, s.Close())
}

// A receipt of a device that comes after an erasure does not bring the user back, whatever the
// audience of the notification. Those of other users, and of later notifications, count.
func TestADeliveryAfterAnErasureIsNotRecorded(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	defer func() { require.NoError(t, s.Close()) }()
	delivered := func(u notify.UserID) (n int) {
		page, err := s.Export(u, "")
		require.NoError(t, err)
		for _, k := range page.Kept {
			if k.Kind == store.KeptDelivery {
				n++
			}
		}
		return n
	}
	deliveries := func(u notify.UserID, seqs ...notify.Sequence) (e notify.Delivered) {
		for _, seq := range seqs {
			e.Deliveries = append(e.Deliveries, notify.Delivery{User: u, Sequence: seq})
		}
		return e
	}
	publish := func(from int) (seqs []notify.Sequence) {
		everyone := toUsers(from+2, "")
		everyone.Audience = notify.AudienceAll
		for _, e := range []notify.Publish{toUsers(from, "", "ada", "grace"), toTopics(from+1, "team"), everyone} {
			e.Receipt = true
			apply(t, s, noon(), e)
			seqs = append(seqs, s.Last())
		}
		return seqs
	}
	apply(t, s, noon(), notify.Members{Topic: "team", Add: []notify.UserID{"ada"}})
	seqs := publish(1)
	eraseAll(t, s, noon(), "ada")
	require.NoError(t, s.Close())
	s = openIn(t, fs)
	apply(t, s, noon().Add(time.Minute), deliveries("ada", seqs...), deliveries("grace", seqs...))
	assert.Zero(t, delivered("ada"))
	assert.Equal(t, 3, delivered("grace"))
	later := publish(4)
	apply(t, s, noon(), deliveries("ada", later...))
	assert.Equal(t, 3, delivered("ada"))
	eraseAll(t, s, noon().Add(30*time.Minute), "ada")
	cleanUpAll(t, s, noon().Add(70*time.Minute), notify.Cleanup{Retention: time.Hour * 24})
	apply(t, s, noon().Add(75*time.Minute), deliveries("ada", later...))
	assert.Zero(t, delivered("ada"), "a second erasure is remembered from its own time on")
	checkUsageOf(t, s)

	cleanUpAll(t, s, noon().Add(100*time.Minute), notify.Cleanup{Retention: time.Hour * 24})
	left, err := s.Dump()
	require.NoError(t, err)
	for k := range left {
		assert.NotEqual(t, byte('G'), k[0], "erasures are forgotten")
	}
	other, err := s.CountOther()
	require.NoError(t, err)
	assert.Equal(t, other, s.Usage().Other)
}
