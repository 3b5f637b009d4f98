package entry_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

var update = flag.Bool("update", false, "write golden files that are missing; those that exist are never changed")

// goldenEntries are an entry of each kind and version with all its fields set, by the
// name of its golden file. An entry here is never changed: a later version of a kind gets
// an entry and a file of its own.
func goldenEntries() map[string]notify.Entry {
	at := time.Date(2026, 12, 1, 9, 0, 0, 123_456_789, time.UTC)
	reader := notify.Reader{User: "ada", Since: at, Topics: []notify.TopicPattern{"team", "project.*"}}
	sequence := func(first byte, h []byte) {
		for i := range h {
			h[i] = first + byte(i)
		}
	}
	var name, fingerprint [32]byte
	var secret, version [16]byte
	sequence(1, name[:])
	sequence(2, fingerprint[:])
	sequence(3, secret[:])
	sequence(4, version[:])
	return map[string]notify.Entry{
		"publish-1-users": notify.Publish{
			By: "key:backend", ID: "0199c0de-0000-7000-8000-000000000001", Audience: notify.AudienceUser,
			Users: []notify.UserID{"ada", "grace"}, CollapseKey: "build", Content: []byte(`"id":"0199c0de-0000-7000-8000-000000000001","type":"t"`),
			TTL: time.Hour, DeliverAt: at, Key: notify.Key{Name: name, Fingerprint: fingerprint}, Keep: 1_000, MaxBytes: 1 << 40,
		},
		"publish-1-topics": notify.Publish{ID: "x", Audience: notify.AudienceTopic, Topics: []notify.Topic{"team", "project.x"}, Ephemeral: true},
		"publish-1-all":    notify.Publish{ID: "x", Audience: notify.AudienceAll},
		"publish-2":        notify.Publish{ID: "x", Audience: notify.AudienceAll, Except: []notify.UserID{"ada", "grace"}, Keep: 7},
		"release-1":        notify.Release{Ref: notify.Deferred{At: at, Sequence: 300}},
		"mark-1-ids":       notify.Mark{Reader: reader, Verb: notify.VerbArchive, IDs: []string{"a", "b"}, Keep: 7},
		"mark-1-through": notify.Mark{
			Reader: reader, Verb: notify.VerbRead, Through: 1 << 40, From: notify.MarkPosition{Task: "c", After: 9}, Keep: 7,
		},
		"recall-1":       notify.Recall{ID: "x", Keep: 7},
		"recall-1-bound": notify.Recall{ID: "x", Within: &notify.Bound{Prefix: "acme:", Topics: []notify.TopicPattern{"acme.*"}, AnyTopic: true}, Keep: 7},
		"cleanup-1":      notify.Cleanup{Retention: 30 * 24 * time.Hour, MaxBytes: 1 << 40},
		"generation-1":   notify.Generation{ID: 1 << 63, First: 300, Secret: secret, Rules: 1},
		"revocation-1":   notify.Revocation{User: "ada", Before: at},
		"revocation-1-token": notify.Revocation{
			TokenID: "id", Issuer: "https://login.example.com",
		},
		"ticket-1": notify.Ticket{Hash: name, Principal: notify.Principal{
			User: "ada", Name: "user:ada", Scopes: []notify.Scope{notify.ScopePublish}, Topics: reader.Topics,
			Since: at, Expires: at.Add(time.Hour), Issued: at, TokenID: "id", TopicsIgnored: 3,
			Issuer: &notify.Issuer{Name: "https://login.example.com", Version: version},
		}},
		"members-1": notify.Members{Topic: "team", Add: []notify.UserID{"ada", "grace"}, Remove: []notify.UserID{"eve"}, MaxBytes: 1 << 40},
		"publish-3": notify.Publish{ID: "x", Audience: notify.AudienceAll, Except: []notify.UserID{"ada"}, Receipt: true, Keep: 7},
		"publish-4": notify.Publish{
			ID: "x", Audience: notify.AudienceAll, Except: []notify.UserID{"ada"}, Receipt: true, Keep: 7, Trace: &notify.Trace{ID: version, Span: [8]byte{1, 2, 3}},
		},
		"delivered-1": notify.Delivered{Deliveries: []notify.Delivery{{User: "ada", Sequence: 300}, {User: "grace", Sequence: 1}}, MaxBytes: 1 << 40},
		"erase-1":     notify.Erase{User: "ada", From: "\x01u\x00\x03ada"},
		"usertopics-1": notify.UserTopics{
			User: "ada", Topics: []notify.Topic{"team", "project.x"}, MaxBytes: 1 << 40,
			Within: &notify.Bound{Prefix: "acme:", Topics: []notify.TopicPattern{"acme.*"}, AnyTopic: true},
		},
		"preferences-1": notify.UserPreferences{User: "ada", MaxBytes: 1 << 40, Preferences: notify.Preferences{
			Rules: []notify.PreferenceRule{{Type: "comment.*", Topic: "project.7", Level: notify.LevelOff}, {Level: notify.LevelSilent}},
			Quiet: &notify.Quiet{From: 22 * 60, To: 7 * 60, Zone: "Europe/Berlin"},
		}},
		"redemption-1": notify.Redemption{Hash: name},
		"witness-1":    notify.Witness{Node: "node-1", Sequence: 1 << 40, Hash: name},
	}
}

func goldenPath(name string) string { return filepath.Join("testdata", name+".hex") }

// An entry that an earlier version has written must be read, and written in the same way
// while its version is the latest.
func TestGoldenFiles(t *testing.T) {
	for name, e := range goldenEntries() {
		t.Run(name, func(t *testing.T) {
			path := goldenPath(name)
			text, err := os.ReadFile(path)
			if os.IsNotExist(err) && *update {
				text = []byte(hex.EncodeToString(entry.Append(nil, e)) + "\n")
				err = os.WriteFile(path, text, 0o600)
			}
			require.NoError(t, err)
			encoded, err := hex.DecodeString(strings.TrimSpace(string(text)))
			require.NoError(t, err)
			equal(t, e, entry.Decode(encoded))
			assert.Equal(t, hex.EncodeToString(encoded), hex.EncodeToString(entry.Append(nil, e)))
		})
	}
	files, err := filepath.Glob(goldenPath("*"))
	require.NoError(t, err)
	assert.Len(t, files, len(goldenEntries()), "each file is compared with an entry")
}

// Each field of each kind is set in a golden file, so that none is left out of the
// encoding unnoticed.
func TestEachFieldIsInAGoldenFile(t *testing.T) {
	set := map[reflect.Type]map[string]bool{}
	for _, e := range goldenEntries() {
		note(set, reflect.ValueOf(e))
	}
	for of, fields := range set {
		for i := range of.NumField() {
			f := of.Field(i)
			assert.True(t, fields[f.Name] || of.Name() == "Issuer" && (f.Name == "Bound" || f.Name == "withdrawn"), "%v: %s is always zero", of, f.Name)
		}
	}
	for _, e := range []notify.Entry{
		notify.Publish{},
		notify.Release{},
		notify.Mark{},
		notify.Recall{},
		notify.Cleanup{},
		notify.Generation{},
		notify.Revocation{},
		notify.Ticket{},
		notify.Redemption{},
		notify.Members{},
		notify.UserTopics{},
		notify.UserPreferences{},
		notify.Erase{},
		notify.Delivered{},
		notify.Witness{},
	} {
		assert.NotNil(t, set[reflect.TypeOf(e)], "%T has no golden file", e)
	}
}

func note(set map[reflect.Type]map[string]bool, v reflect.Value) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || !strings.HasSuffix(v.Type().PkgPath(), "/notify") {
		return
	}
	fields := set[v.Type()]
	if fields == nil {
		fields = map[string]bool{}
		set[v.Type()] = fields
	}
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			fields[v.Type().Field(i).Name] = true
		}
		note(set, v.Field(i))
	}
}
