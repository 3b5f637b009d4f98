package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// The fields of a notification are those of its draft, whatever is in them.
func TestContentReadsBackAsFields(t *testing.T) {
	for _, d := range []notify.Draft{
		{Type: "t", Priority: notify.PriorityNormal},
		{
			Type: "comment.created", Title: "a \"quote\" and \u2028", Body: "<b>\n\x01👋</b>", Priority: notify.PriorityHigh,
			Data: []byte(`{"big":1.0e400,"id":"another","nested":{"a":[1,"}"]}}`), CollapseKey: `issue "42"`, Ephemeral: true,
			URL: "/a?b=<c>&d", Actions: []notify.Action{{Title: `a "b"`, URL: "/"}, {Title: "👋", URL: "https://example.com"}}, Silent: true,
		},
	} {
		n := notify.Notification{Content: wire.AppendContent(nil, "0193b3c8-0000-7000-8000-000000000000", &d)}
		got, err := n.Fields()
		require.NoError(t, err)
		assert.Equal(t, notify.Fields{
			ID: n.ID(), Type: d.Type, Title: d.Title, Body: d.Body, Data: json.RawMessage(d.Data),
			CollapseKey: d.CollapseKey, Priority: d.Priority, Ephemeral: d.Ephemeral,
			URL: d.URL, Actions: d.Actions, Silent: d.Silent,
		}, got)
		assert.Equal(t, d.Type, n.Type())
		assert.Equal(t, d.Priority, n.Priority())
	}
	_, err := (&notify.Notification{Content: []byte(`"id":`)}).Fields()
	require.Error(t, err)
}
