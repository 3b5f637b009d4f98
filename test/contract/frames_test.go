package contract_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/contract"
)

const asyncapi = "../../internal/webui/client/asyncapi.yaml"

// TestFrames checks that Frames reports violations of the document.
func TestFrames(t *testing.T) {
	doc, err := contract.LoadAsyncAPI(asyncapi)
	require.NoError(t, err)
	const (
		ping    = `{"event":"ping","ref":"7"}`
		pong    = `{"event":"reply","ref":"7","data":{}}`
		publish = `{"event":"publish","data":{"to":{"users":["ada"]},"type":"t"}}`
		problem = `{"event":"error","data":{"type":"urn:bellhop:problem:invalid","title":"t","status":422}}`
		live    = `{"event":"live","cursor":"c","data":{"unread_count":2,"unseen_count":1}}`
	)
	for name, test := range map[string]struct {
		sent     []string
		received []string
		want     string // part of the report; empty means no report
	}{
		"an event":                    {nil, []string{live}, ""},
		"unknown event":               {nil, []string{`{"event":"dance","data":{}}`}, "unknown event"},
		"no event":                    {nil, []string{`{}`}, "unknown event"},
		"not JSON":                    {nil, []string{live + live}, "not JSON"},
		"an unknown member":           {nil, []string{`{"event":"live","cursor":"c","data":{"colour":"red"}}`}, "colour"},
		"a missing member":            {nil, []string{`{"event":"live","data":{}}`}, "cursor"},
		"an invalid cursor":           {nil, []string{`{"event":"live","cursor":"a b","data":{}}`}, "cursor"},
		"null for absent":             {nil, []string{`{"event":"live","cursor":"c","data":{"unread_count":null}}`}, "null"},
		"a command's reply":           {[]string{ping}, []string{live, pong}, ""},
		"a command's error":           {[]string{ping}, []string{problem}, ""},
		"another command's reply":     {[]string{publish}, []string{pong}, "duplicate"},
		"replies in order":            {[]string{ping, publish}, []string{pong, `{"event":"reply","data":{"id":"` + uuid + `","duplicate":false}}`}, ""},
		"an answer to nothing":        {[]string{ping}, []string{pong, pong}, "answers no command"},
		"a wrong command refused":     {[]string{`{"event":"read","data":{"ids":[]}}`}, []string{problem}, ""},
		"an unknown command refused":  {[]string{`{"event":"dance"}`}, []string{problem}, ""},
		"a wrong command accepted":    {[]string{`{"event":"ping","colour":"red"}`}, []string{pong}, "accepted"},
		"an unknown command accepted": {[]string{`{"event":"dance"}`}, []string{pong}, "accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reports{TB: t}
			f := contract.Frames{Document: doc, TB: r}
			for _, frame := range test.sent {
				f.Sent([]byte(frame))
			}
			for _, frame := range test.received {
				f.Received([]byte(frame))
			}
			if test.want == "" {
				require.Empty(t, r.all)
				return
			}
			require.Len(t, r.all, 1)
			require.Contains(t, r.all[0], test.want)
		})
	}
}

func TestStreamedFrames(t *testing.T) {
	doc, err := contract.LoadAsyncAPI(asyncapi)
	require.NoError(t, err)
	r := &reports{TB: t}
	f := contract.Frames{Document: doc, TB: r}
	f.Streamed("live", `{"unread_count":2,"unseen_count":1}`)
	require.Empty(t, r.all)
	f.Streamed("live", `{"unread_count":-1}`)
	f.Streamed("reply", `{}`)
	f.Streamed("live", `{"unread_count":2`)
	require.Len(t, r.all, 3)
}
