package entry_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// equal compares entries as they are; of an issuer, what finds it again.
func equal(t testing.TB, want, got any) {
	t.Helper()
	issuers := cmp.Comparer(func(a, b *notify.Issuer) bool {
		return a == nil && b == nil || a != nil && b != nil && a.Name == b.Name && a.Version == b.Version
	})
	if d := cmp.Diff(want, got, issuers, cmp.Comparer(bytes.Equal)); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
}

func instant(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "no time") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
}

func names[T ~string](t *rapid.T, name string) (all []T) {
	for range rapid.IntRange(0, 4).Draw(t, name) {
		all = append(all, T(rapid.String().Draw(t, name)))
	}
	return all
}

func hash(t *rapid.T) (h [32]byte) {
	copy(h[:], rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "hash"))
	return h
}

func principal(t *rapid.T) notify.Principal {
	p := notify.Principal{
		User: notify.UserID(rapid.String().Draw(t, "user")), Name: rapid.String().Draw(t, "name"),
		Scopes: names[notify.Scope](t, "scopes"), Topics: names[notify.TopicPattern](t, "topics"),
		Since: instant(t), Expires: instant(t), Issued: instant(t),
		TopicsIgnored: rapid.Int().Draw(t, "ignored"), TokenID: rapid.String().Draw(t, "jti"),
	}
	if rapid.Bool().Draw(t, "issued") {
		p.Issuer = &notify.Issuer{Name: rapid.String().Draw(t, "issuer"), Version: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "version"))}
	}
	return p
}

func publish(t *rapid.T) notify.Publish {
	e := notify.Publish{
		By: rapid.String().Draw(t, "by"), ID: rapid.String().Draw(t, "id"), Audience: notify.Audience(rapid.String().Draw(t, "audience")),
		Users: names[notify.UserID](t, "users"), Topics: names[notify.Topic](t, "topics"),
		CollapseKey: rapid.String().Draw(t, "collapse key"), TTL: time.Duration(rapid.Int64().Draw(t, "ttl")),
		Ephemeral: rapid.Bool().Draw(t, "ephemeral"), DeliverAt: instant(t), Key: notify.Key{Name: hash(t), Fingerprint: hash(t)},
		Except: names[notify.UserID](t, "except"), Receipt: rapid.Bool().Draw(t, "receipt"),
		Keep: rapid.Int().Draw(t, "keep"), MaxBytes: rapid.Int64().Draw(t, "bytes"),
	}
	if rapid.Bool().Draw(t, "traced") {
		traced := hash(t)
		e.Trace = &notify.Trace{}
		copy(e.Trace.ID[:], traced[:16])
		copy(e.Trace.Span[:], traced[16:])
	}
	if content := rapid.SliceOf(rapid.Byte()).Draw(t, "content"); len(content) > 0 {
		e.Content = content
	}
	return e
}

func mark(t *rapid.T) notify.Mark {
	e := notify.Mark{
		Reader:  notify.Reader{User: notify.UserID(rapid.String().Draw(t, "user")), Since: instant(t), Topics: names[notify.TopicPattern](t, "topics")},
		Verb:    notify.Verb(rapid.String().Draw(t, "verb")),
		Through: notify.Sequence(rapid.Uint64().Draw(t, "through")),
		From:    notify.MarkPosition{Task: rapid.String().Draw(t, "task"), After: notify.Sequence(rapid.Uint64().Draw(t, "after"))},
		Keep:    rapid.Int().Draw(t, "keep"),
	}
	if rapid.Bool().Draw(t, "by ID") {
		e.IDs = append([]string{}, names[string](t, "ids")...)
	}
	return e
}

func recall(t *rapid.T) notify.Recall {
	e := notify.Recall{ID: rapid.String().Draw(t, "id"), Keep: rapid.Int().Draw(t, "keep")}
	if rapid.Bool().Draw(t, "bound") {
		e.Within = &notify.Bound{Prefix: rapid.String().Draw(t, "prefix"), Topics: names[notify.TopicPattern](t, "topics"), AnyTopic: rapid.Bool().Draw(t, "any")}
	}
	return e
}

// anEntry returns an entry of any kind. A kind that is added to package notify and not
// here is noticed by TestEachFieldIsInAGoldenFile.
func anEntry(t *rapid.T) notify.Entry {
	switch rapid.IntRange(0, 10).Draw(t, "kind") {
	case 0:
		return publish(t)
	case 1:
		return notify.Release{Ref: notify.Deferred{At: instant(t), Sequence: notify.Sequence(rapid.Uint64().Draw(t, "sequence"))}}
	case 2:
		return mark(t)
	case 3:
		return recall(t)
	case 4:
		return notify.Cleanup{Retention: time.Duration(rapid.Int64().Draw(t, "retention")), MaxBytes: rapid.Int64().Draw(t, "bytes")}
	case 5:
		e := notify.Generation{ID: rapid.Uint64().Draw(t, "id"), First: notify.Sequence(rapid.Uint64().Draw(t, "first")), Rules: rapid.Uint32().Draw(t, "rules")}
		copy(e.Secret[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))
		return e
	case 6:
		return notify.Revocation{User: notify.UserID(rapid.String().Draw(t, "user")), Before: instant(t), TokenID: rapid.String().Draw(t, "jti"), Issuer: rapid.String().Draw(t, "issuer")}
	case 7:
		return notify.Ticket{Hash: hash(t), Principal: principal(t)}
	case 8:
		return notify.Witness{Node: rapid.String().Draw(t, "node"), Sequence: notify.Sequence(rapid.Uint64().Draw(t, "sequence")), Hash: hash(t)}
	case 9:
		return preferences(t)
	}
	return notify.Redemption{Hash: hash(t)}
}

func preferences(t *rapid.T) notify.UserPreferences {
	e := notify.UserPreferences{User: notify.UserID(rapid.String().Draw(t, "user")), MaxBytes: rapid.Int64().Draw(t, "bytes")}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		e.Rules = append(e.Rules, notify.PreferenceRule{
			Type: notify.TypePattern(rapid.String().Draw(t, "type")), Topic: notify.TopicPattern(rapid.String().Draw(t, "topic")),
			Level: notify.Level(rapid.String().Draw(t, "level")),
		})
	}
	if rapid.Bool().Draw(t, "quiet") {
		e.Quiet = &notify.Quiet{
			From: notify.TimeOfDay(rapid.Uint16().Draw(t, "from")), To: notify.TimeOfDay(rapid.Uint16().Draw(t, "to")), Zone: rapid.String().Draw(t, "zone"),
		}
	}
	return e
}

func TestEntriesRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e := anEntry(r)
		encoded := entry.Append([]byte("before"), e)
		if string(encoded[:6]) != "before" {
			r.Fatal("what was there is changed")
		}
		if d := cmp.Diff(e, entry.Decode(encoded[6:]), cmp.Comparer(sameIssuer)); d != "" {
			r.Fatalf("(-want +got):\n%s", d)
		}
	})
}

func sameIssuer(a, b *notify.Issuer) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Name == b.Name && a.Version == b.Version
}

func TestMessagesRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		entries := make([]notify.Entry, rapid.IntRange(0, 5).Draw(r, "entries"))
		for i := range entries {
			entries[i] = anEntry(r)
		}
		if d := cmp.Diff(entries, entry.DecodeMessage(entry.AppendMessage(nil, entries)), cmp.Comparer(sameIssuer)); d != "" {
			r.Fatalf("(-want +got):\n%s", d)
		}
	})
}

// Of a message with an entry that this version cannot read, the other entries are read.
func TestEntriesThatCannotBeRead(t *testing.T) {
	cleanup := notify.Cleanup{Retention: time.Hour}
	valid := entry.Append(nil, cleanup)
	for name, c := range map[string]struct {
		encoded []byte
		reason  string
		newer   bool
	}{
		"nothing":            {nil, "it has less than two bytes", false},
		"one byte":           {[]byte{5}, "it has less than two bytes", false},
		"an unknown kind":    {[]byte{99, 1, 7}, "kind 99", true},
		"a newer version":    {[]byte{5, 2, 7}, "version 2 of kind 5", true},
		"a kind of no entry": {[]byte{0, 1, 7}, "kind 0", false},
		"no version":         {[]byte{5, 0, 7}, "version 0 of kind 5", false},
		"too short":          {valid[:len(valid)-1], "malformed fields of kind 5", false},
		"too long":           {append(valid[:len(valid):len(valid)], 0), "malformed fields of kind 5", false},
		"not shortest form":  {[]byte{5, 1, 0x80, 0, 0}, "malformed fields of kind 5", false},
		"no such bool":       {append(entry.Append(nil, notify.Recall{})[:3:3], 2, 0), "malformed fields of kind 4", false},
		"too many names":     {[]byte{3, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, "malformed fields of kind 3", false},
	} {
		t.Run(name, func(t *testing.T) {
			unknown := notify.Unknown{Reason: c.reason, Newer: c.newer, Encoded: c.encoded}
			equal(t, notify.Entry(unknown), entry.Decode(c.encoded))
			if len(c.encoded) == 0 {
				return
			}
			entries := []notify.Entry{cleanup, unknown, cleanup}
			equal(t, entries, entry.DecodeMessage(entry.AppendMessage(nil, entries)))
		})
	}
	type foreign struct{ notify.Entry }
	if _, ok := entry.Decode(entry.Append(nil, foreign{})).(notify.Unknown); !ok {
		t.Error("an entry of another package is not unknown")
	}
}

func TestMessagesThatCannotBeRead(t *testing.T) {
	valid := entry.AppendMessage(nil, []notify.Entry{notify.Cleanup{}, notify.Cleanup{}})
	for _, b := range [][]byte{nil, {0}, {2}, valid[:len(valid)-1], append(valid[:len(valid):len(valid)], 1), {1, 200}, {1, 0x80, 0}} {
		got := entry.DecodeMessage(b)
		if u, ok := got[0].(notify.Unknown); len(got) != 1 || !ok || string(u.Encoded) != string(b) {
			t.Errorf("%x is %v", b, got)
		}
	}
}

// However a message is made, decoding it neither panics nor takes more memory than a small
// multiple of it, and encoding the result gives the message again.
func FuzzDecodeMessage(f *testing.F) {
	for _, e := range goldenEntries() {
		f.Add(entry.AppendMessage(nil, []notify.Entry{e}))
	}
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries := entry.DecodeMessage(b)
		if len(entries) > len(b)+1 {
			t.Fatalf("%d entries of %d bytes", len(entries), len(b))
		}
		if u, ok := only(entries).(notify.Unknown); ok && string(u.Encoded) == string(b) {
			return // the message as a whole
		}
		for _, e := range entries {
			equal(t, e, entry.Decode(entry.Append(nil, e)))
		}
		if again := entry.AppendMessage(nil, entries); string(again) != string(b) {
			t.Fatalf("%x is encoded as %x", b, again)
		}
	})
}

// only returns the entry of a message that has one, else nil.
func only(entries []notify.Entry) notify.Entry {
	if len(entries) == 1 {
		return entries[0]
	}
	return nil
}

func BenchmarkMessage(b *testing.B) {
	var entries []notify.Entry
	for i := range 30 {
		id := fmt.Sprintf("00000000-0000-7000-8000-%012d", i)
		entries = append(entries, notify.Publish{
			ID: id, Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}, Content: make([]byte, 300), Keep: 1_000,
		})
	}
	encoded := entry.AppendMessage(nil, entries)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encoded = entry.AppendMessage(encoded[:0], entries)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			entry.DecodeMessage(encoded)
		}
	})
}
