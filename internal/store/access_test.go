package store_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

func sameIssuer(a, b *notify.Issuer) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Name == b.Name && a.Version == b.Version
}

// step is the time from one transaction to the next: often about the lifetime of a ticket, and
// sometimes about that of a revocation.
func step(t *rapid.T) time.Duration {
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0:
		return notify.MaxTokenLifetime - time.Duration(rapid.IntRange(0, 2).Draw(t, "hours"))*time.Hour
	case 1, 2, 3:
		return time.Duration(rapid.IntRange(-40_000, 40_000).Draw(t, "milliseconds")) * time.Millisecond
	}
	return time.Duration(rapid.IntRange(-3600, 6*3600).Draw(t, "seconds")) * time.Second
}

func (m *machine) accessEntry(t *rapid.T) notify.Entry {
	var hash [32]byte
	hash[0] = byte(rapid.IntRange(1, 4).Draw(t, "hash"))
	user := rapid.SampledFrom(users).Draw(t, "user")
	switch rapid.IntRange(0, 4).Draw(t, "access") {
	case 0:
		return notify.Ticket{Hash: hash, Principal: notify.Principal{
			User: user, Name: "user:" + string(user), Expires: m.now,
			Issuer: issuerOf(rapid.SampledFrom(issuerNames).Draw(t, "issuer")), TopicsIgnored: rapid.IntRange(0, 1000).Draw(t, "ignored"),
		}}
	case 1, 2:
		return notify.Redemption{Hash: hash}
	case 3:
		before := m.now.Add(time.Duration(rapid.IntRange(-48, 48).Draw(t, "hours")) * time.Hour)
		return notify.Revocation{User: user, Before: before}
	}
	return notify.Revocation{TokenID: rapid.SampledFrom(tokenIDs).Draw(t, "jti"), Issuer: rapid.SampledFrom(issuerNames).Draw(t, "issuer")}
}

// issuerNames has names that, followed by one of tokenIDs, give the same string. Empty: no
// issuer.
var issuerNames = []string{"", "a", "aa", "*"}

// issuerOf returns an issuer with a name, nil if it is empty.
func issuerOf(name string) *notify.Issuer {
	if name == "" {
		return nil
	}
	return &notify.Issuer{Name: name, Version: [16]byte{1, 2, 3}}
}

var tokenIDs = []string{"1", "a", "aa", "\x01a1", strings.Repeat("x", 5000)}

// checkRevoked compares Revoked with the model for tokens with and without an ID. Some were issued
// at the time of a revocation, or one millisecond before.
func (m *machine) checkRevoked(t *rapid.T) {
	principals := []notify.Principal{{Name: "key:backend"}}
	for _, u := range users {
		before := m.model.Access.RevokedBefore(u)
		for _, issued := range []time.Time{{}, m.now, before, before.Add(-time.Millisecond)} {
			principals = append(principals, notify.Principal{User: u, Issued: issued})
		}
	}
	for _, id := range tokenIDs {
		for _, issuer := range issuerNames {
			principals = append(principals, notify.Principal{User: "other", Issued: m.now, TokenID: id, Issuer: issuerOf(issuer)})
		}
	}
	for _, p := range principals {
		if got, want := m.store.Revoked(p), m.model.Access.Revoked(p); got != want {
			t.Fatalf("revoked: %t, want %t for %.100v", got, want, p)
		}
	}
}

func openIn(t *testing.T, fs vfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open("data", store.Options{
		FS: fs, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
	})
	require.NoError(t, err)
	return s
}

func noon() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) }

// apply applies entries in one transaction, after all others, and returns their verdicts.
func apply(t *testing.T, s *store.Store, at time.Time, entries ...notify.Entry) []notify.Verdict {
	t.Helper()
	verdicts, _, err := s.Apply(s.Last()+1, notify.Stamp(at, entries...))
	require.NoError(t, err)
	return verdicts
}

// A ticket keeps every field of its principal. The test fails if a field is added to Principal
// and not to the encoding of tickets.
func TestTicketKeepsThePrincipal(t *testing.T) {
	p := notify.Principal{
		User: "ada", Name: "user:ada", Scopes: []notify.Scope{notify.ScopePublish, notify.ScopeAdmin},
		Topics: []notify.TopicPattern{"team-42", "project.*"},
		Since:  noon(), Expires: noon().Add(time.Millisecond), Issued: noon().Add(-time.Hour), TokenID: "id",
		Issuer: issuerOf("https://login.example.com"), TopicsIgnored: 3,
	}
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), "the test has no value for the field %s", v.Type().Field(i).Name)
	}
	fs := vfs.NewMem()
	s := openIn(t, fs)
	hash := sha256.Sum256([]byte("ticket"))
	apply(t, s, noon(), notify.Ticket{Hash: hash, Principal: p})
	require.NoError(t, s.Close())

	s = openIn(t, fs)
	defer s.Close()
	verdicts := apply(t, s, noon().Add(notify.TicketLifetime-time.Millisecond), notify.Redemption{Hash: hash}, notify.Redemption{Hash: hash})
	require.NoError(t, verdicts[0].Err)
	assert.Equal(t, &p, verdicts[0].Principal)
	require.ErrorIs(t, verdicts[1].Err, notify.ErrTokenInvalid)
	assert.Nil(t, verdicts[1].Principal)
}

// A ticket that cannot be decoded is refused, and a Cleanup removes it.
func TestTicketOfAnEarlierVersion(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	var redeemed, removed [32]byte
	redeemed[0], removed[0] = 1, 2
	apply(t, s, noon(), notify.Ticket{Hash: redeemed}, notify.Ticket{Hash: removed})
	require.NoError(t, s.Close())
	db, err := pebble.Open("data/store", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	require.NoError(t, err)
	for _, hash := range [][32]byte{redeemed, removed} {
		require.NoError(t, db.Set(append([]byte{'t'}, hash[:]...), []byte("\x80\xb4\xc4\xc1\xad3\x03ada"), pebble.Sync))
	}
	require.NoError(t, db.Close())

	s = openIn(t, fs)
	defer s.Close()
	require.ErrorIs(t, apply(t, s, noon(), notify.Redemption{Hash: redeemed})[0].Err, notify.ErrTokenInvalid)
	end := noon().Add(notify.TicketLifetime)
	apply(t, s, end, notify.Cleanup{Retention: time.Hour})
	require.ErrorIs(t, apply(t, s, noon(), notify.Redemption{Hash: removed})[0].Err, notify.ErrTokenInvalid)
	due, err := s.Due(end, notify.Cleanup{Retention: time.Hour})
	require.NoError(t, err)
	assert.False(t, due, "no record is left")
}

func TestTicketEnds(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	var late, removed [32]byte
	late[0], removed[0] = 1, 2
	end := noon().Add(notify.TicketLifetime)
	apply(t, s, noon(), notify.Ticket{Hash: late}, notify.Ticket{Hash: removed})
	err := apply(t, s, end, notify.Redemption{Hash: late})[0].Err
	require.ErrorIs(t, err, notify.ErrTokenInvalid)
	assert.EqualError(t, err, "token invalid: no such ticket: it may have been used, or be older than 30 s")

	due, err := s.Due(end, notify.Cleanup{Retention: time.Hour})
	require.NoError(t, err)
	assert.True(t, due)
	apply(t, s, end, notify.Cleanup{Retention: time.Hour})
	require.ErrorIs(t, apply(t, s, noon(), notify.Redemption{Hash: removed})[0].Err, notify.ErrTokenInvalid)
	due, err = s.Due(end, notify.Cleanup{Retention: time.Hour})
	require.NoError(t, err)
	assert.False(t, due, "no record is left")
}

// A store of another format is refused: this version would misread it.
func TestAnotherFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, openIn(t, fs).Close())
	own := setFormat(t, fs, 0)[0]
	for _, format := range []byte{0, 1, own - 1, own + 1} {
		setFormat(t, fs, format)
		before := contents(t, fs)
		_, err := store.Open("data", store.Options{FS: fs, Logger: slog.New(slog.DiscardHandler)})
		require.ErrorIs(t, err, store.ErrFormat)
		assert.ErrorContains(t, err, fmt.Sprintf("found format [%d]", format))
		assert.ErrorContains(t, err, fmt.Sprintf("reads format %d", own))
		assert.Equal(t, before, contents(t, fs), "a refused store is not changed")
		assert.Equal(t, []byte{format}, setFormat(t, fs, own))
		require.NoError(t, openIn(t, fs).Close())
	}
}

// contents returns all files of a store.
func contents(t *testing.T, fs *vfs.MemFS) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files(t, fs, "", "") {
		all[name] = string(content(t, fs, name))
	}
	return all
}

// setFormat writes the format of a closed store, and returns the previous one.
func setFormat(t *testing.T, fs vfs.FS, format byte) []byte {
	t.Helper()
	db := openPebble(t, fs)
	was, closer, err := db.Get([]byte("v"))
	require.NoError(t, err)
	was = append([]byte(nil), was...)
	require.NoError(t, closer.Close())
	require.NoError(t, db.Set([]byte("v"), []byte{format}, pebble.Sync))
	require.NoError(t, db.Close())
	return was
}

// quiet is a pebble.Logger.
type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(string, ...any)        {}
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
