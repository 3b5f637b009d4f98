package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/wire"
)

func TestDraft(t *testing.T) {
	d, err := wire.Draft([]byte(`{
		"to": {"users": ["ada", "grace"]}, "type": "comment.created", "title": "Grace commented",
		"body": "Looks good to \u006de", "data": {"issue": 42, "big": 12345678901234567890.10}, "ttl": 86400,
		"priority": "high", "ephemeral": true}`))
	require.NoError(t, err)
	d.Source = nil
	assert.Equal(t, notify.Draft{
		Users: []notify.UserID{"ada", "grace"}, Type: "comment.created", Title: "Grace commented",
		Body: "Looks good to me", Data: []byte(`{"issue":42,"big":12345678901234567890.10}`),
		TTL: 24 * time.Hour, Priority: notify.PriorityHigh, Ephemeral: true,
	}, d)
}

func TestDraftToTopics(t *testing.T) {
	d, err := wire.Draft([]byte(`{
		"to": {"topics": ["news", "project.7"]}, "type": "t",
		"collapse_key": "issue-\u0034", "deliver_at": "2026-12-01t10:00:00.5+01:00"}`))
	require.NoError(t, err)
	assert.Equal(t, time.Date(2026, 12, 1, 9, 0, 0, 5e8, time.UTC), d.DeliverAt.UTC())
	d.Source, d.DeliverAt = nil, time.Time{}
	assert.Equal(t, notify.Draft{
		Topics: []notify.Topic{"news", "project.7"}, Type: "t", Priority: notify.PriorityNormal, CollapseKey: "issue-4",
	}, d)
}

func TestDraftWithTargets(t *testing.T) {
	d, err := wire.Draft([]byte(`{"to":{"all":true},"type":"t","url":"\u002fa","silent":true,"receipt":true,
		"actions":[{"title":"Reply","url":"/a#reply"},{"url":"https://example.com","title":"M\u00fcte"}]}`))
	require.NoError(t, err)
	d.Source = nil
	assert.Equal(t, notify.Draft{
		All: true, Type: "t", Priority: notify.PriorityNormal, URL: "/a", Silent: true, Receipt: true,
		Actions: []notify.Action{{Title: "Reply", URL: "/a#reply"}, {Title: "Müte", URL: "https://example.com"}},
	}, d)
}

func TestNullMeansAbsent(t *testing.T) {
	with, err := wire.Draft([]byte(`{"to":{"users":null,"topics":null,"all":true},"type":"t","title":null,"ttl":null,"priority":null,"collapse_key":null,"deliver_at":null,"url":null,"actions":null,"silent":null}`))
	require.NoError(t, err)
	without, err := wire.Draft([]byte(`{"type":"t","to":{"all":true}}`))
	require.NoError(t, err)
	assert.Equal(t, wire.Fingerprint(without.Source), wire.Fingerprint(with.Source))
	without.Source, with.Source = nil, nil
	assert.Equal(t, without, with)
}

// A body that is not strict JSON is malformed.
func TestMalformed(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                 "",
		"cut off":               `{"type":"t"`,
		"trailing data":         `{"type":"t"} {}`,
		"byte order mark":       "\xef\xbb\xbf{}",
		"duplicate member":      `{"type":"t","type":"u"}`,
		"duplicate by escape":   `{"type":"t","\u0074ype":"u"}`,
		"duplicate inside data": `{"data":{"a":{"b":1,"b":2}}}`,
		"invalid UTF-8":         "{\"type\":\"\xff\"}",
		"lone surrogate":        `{"type":"\ud800"}`,
		"too deep":              `{"data":` + strings.Repeat(`{"a":`, strict.MaxDepth) + `1` + strings.Repeat(`}`, strict.MaxDepth+1),
		"comment":               `{/**/}`,
		"single quotes":         `{'type':'t'}`,
		"NaN":                   `{"ttl":NaN}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wire.Draft([]byte(body))
			assert.ErrorIs(t, err, notify.ErrMalformed)
			_, err = wire.Batch([]byte(body))
			assert.ErrorIs(t, err, notify.ErrMalformed)
		})
	}
}

func TestInvalid(t *testing.T) {
	for body, pointers := range map[string][]string{
		`[]`:                                                           {""},
		`"x"`:                                                          {""},
		`{"to":{"all":true},"tpye":"t"}`:                               {"/tpye"},
		`{"to":{"all":true},"a/b~":1,"title":2}`:                       {"/a~1b~0", "/title"},
		`{"to":[],"type":1,"data":[],"ttl":"1"}`:                       {"/to", "/type", "/data", "/ttl"},
		`{"to":{"users":"ada"}}`:                                       {"/to/users"},
		`{"to":{"users":["ada",1]}}`:                                   {"/to/users/1"},
		`{"to":{"users":["ada"],"all":true}}`:                          {"/to"},
		`{"to":{}}`:                                                    {"/to"},
		`{"to":{"all":false}}`:                                         {"/to/all"},
		`{"to":{"topics":"x"}}`:                                        {"/to/topics"},
		`{"to":{"topics":["x",1]}}`:                                    {"/to/topics/1"},
		`{"to":{"topics":["x"],"all":true}}`:                           {"/to"},
		`{"to":{"topics":["x"],"users":["ada"]}}`:                      {"/to"},
		`{"to":{"all":true},"ttl":1.5}`:                                {"/ttl"},
		`{"to":{"all":true},"ttl":60.00000000000000000001}`:            {"/ttl"},
		`{"to":{"all":true},"ttl":1e-400}`:                             {"/ttl"},
		`{"to":{"all":true},"ttl":"60"}`:                               {"/ttl"},
		`{"to":{"all":true},"ephemeral":"yes"}`:                        {"/ephemeral"},
		`{"to":{"all":true},"collapse_key":1}`:                         {"/collapse_key"},
		`{"to":{"all":true},"collapse_key":""}`:                        {"/collapse_key"},
		`{"to":{"all":true},"deliver_at":1764579600}`:                  {"/deliver_at"},
		`{"to":{"all":true},"deliver_at":"2026-12-01"}`:                {"/deliver_at"},
		`{"to":{"all":true},"deliver_at":"2026-12-01T09:00:00+24:00"}`: {"/deliver_at"},
		`{"to":{"all":true},"colour":null}`:                            {"/colour"},
		`{"to":{"all":true},"url":""}`:                                 {"/url"},
		`{"to":{"all":true},"url":{"href":"/"}}`:                       {"/url"},
		`{"to":{"all":true},"silent":1}`:                               {"/silent"},
		`{"to":{"all":true},"actions":{}}`:                             {"/actions"},
		`{"to":{"all":true},"actions":[null]}`:                         {"/actions/0"},
		`{"to":{"all":true},"actions":["/"]}`:                          {"/actions/0"},
		`{"to":{"all":true},"actions":[{},{"title":1,"url":2}]}`:       {"/actions/1/title", "/actions/1/url"},
		`{"to":{"all":true},"actions":[{"method":"POST"}]}`:            {"/actions/0/method"},
		`{"to":{"all":true},"Type":"t"}`:                               {"/Type"},
	} {
		_, err := wire.Draft([]byte(body))
		require.ErrorIs(t, err, notify.ErrInvalid, body)
		assert.Equal(t, pointers, pointersOf(err), body)
	}
}

func pointersOf(err error) []string {
	var pointers []string
	if e, ok := errors.AsType[*notify.Error](err); ok {
		for _, f := range e.Faults {
			pointers = append(pointers, f.Pointer)
		}
	}
	return pointers
}

func TestFingerprintIsOfTheDecodedJSON(t *testing.T) {
	const body = `{"to":{"users":["ada"]},"type":"t","data":{"a":1,"b":{"c":null,"d":[1,2]}}}`
	const large = `{"to":{"users":["ada"]},"type":"t","data":{"a":9007199254740993}}`
	fingerprint := func(body string) [32]byte {
		d, err := wire.Draft([]byte(body))
		require.NoError(t, err)
		return wire.Fingerprint(d.Source)
	}
	for _, same := range []string{
		`{ "type" : "\u0074", "data":{"b":{"d":[1, 2],"c":null},"a":1}, "to":{"users":["\u0061da"]} }`,
		`{"to":{"users":["ada"],"all":null},"type":"t","title":null,"data":{"a":1,"b":{"c":null,"d":[1,2]}}}`,
		`{"to":{"users":["ada"]},"type":"t","data":{"a":1.0,"b":{"c":null,"d":[1e0,20e-1]}}}`,
	} {
		assert.Equal(t, fingerprint(body), fingerprint(same), same)
	}
	number := func(n string) [32]byte { return fingerprint(strings.Replace(large, "9007199254740993", n, 1)) }
	for _, pair := range [][2]string{
		{"9007199254740993", "9007199254740992"},
		{"1e400", "1e401"},
		{"-1e400", "1e400"},
		{"1e-400", "0"},
		{"0.1", "0.1000000000000000055511151231257827"},
		{"1e1000000000", "1e1000000001"},
	} {
		assert.NotEqual(t, number(pair[0]), number(pair[1]), "%v: to the last digit", pair)
	}
	for _, pair := range [][2]string{
		{"1e400", "10e399"}, {"1", "1.0"}, {"1", "1e0"}, {"0", "-0.0"}, {"1e30", "1" + strings.Repeat("0", 30)}, {"12.50", "125E-1"},
	} {
		assert.Equal(t, number(pair[0]), number(pair[1]), "%v: the same number", pair)
	}
	for _, other := range []string{
		`{"to":{"users":["ada"]},"type":"t","data":{"a":1,"b":{"d":[1,2]}}}`,
		`{"to":{"users":["ada"]},"type":"t","data":{"a":1,"b":{"c":null,"d":[2,1]}}}`,
		`{"to":{"users":["ada"]},"type":"t","data":{"a":"1","b":{"c":null,"d":[1,2]}}}`,
		`{"to":{"users":["adA"]},"type":"t","data":{"a":1,"b":{"c":null,"d":[1,2]}}}`,
		`{"to":{"users":["ada"]},"type":"t","title":"","data":{"a":1,"b":{"c":null,"d":[1,2]}}}`,
	} {
		assert.NotEqual(t, fingerprint(body), fingerprint(other), other)
	}
}

func TestBatch(t *testing.T) {
	items, err := wire.Batch([]byte(`{"notifications":[{"to":{"all":true},"type":"t"},{"to":3},7]}`))
	require.NoError(t, err)
	require.Len(t, items, 3)
	assert.NoError(t, items[0].Err)
	assert.Equal(t, []string{"/to"}, pointersOf(items[1].Err), "relative to the item")
	assert.Equal(t, []string{""}, pointersOf(items[2].Err))
}

func TestBatchBounds(t *testing.T) {
	item := `{"to":{"users":["ada"]},"type":"t"}`
	of := func(n int, item string) []byte {
		return []byte(`{"notifications":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`)
	}
	_, err := wire.Batch(of(notify.MaxBatch, item))
	assert.NoError(t, err)
	crowd := make([]string, notify.MaxUsers)
	for i := range crowd {
		crowd[i] = fmt.Sprintf(`"u%d"`, i)
	}
	crowded := `{"to":{"users":[` + strings.Join(crowd, ",") + `]},"type":"t"}`
	_, err = wire.Batch(of(notify.MaxBatchRecipients/notify.MaxUsers, crowded))
	assert.NoError(t, err)
	for name, body := range map[string][]byte{
		"none":                of(0, item),
		"absent":              []byte(`{}`),
		"one too many":        of(notify.MaxBatch+1, item),
		"too many recipients": of(notify.MaxBatchRecipients/notify.MaxUsers+1, crowded),
		"no array":            []byte(`{"notifications":{}}`),
		"unknown member":      []byte(`{"notifications":[` + item + `],"x":1}`),
	} {
		_, err := wire.Batch(body)
		assert.ErrorIs(t, err, notify.ErrInvalid, name)
	}
}

func TestWholeNumbersOfSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"60": time.Minute, "60.0": time.Minute, "6e1": time.Minute, "1e300": 200 * 365 * 24 * time.Hour,
		"1e400": 200 * 365 * 24 * time.Hour, "-1e400": -1, "0.0": -1, "600e-1": time.Minute, "1e99999999999999999999": 200 * 365 * 24 * time.Hour,
	} {
		d, err := wire.Draft([]byte(`{"to":{"all":true},"type":"t","ttl":` + text + `}`))
		require.NoError(t, err)
		assert.Equal(t, want, d.TTL, text)
	}
}
