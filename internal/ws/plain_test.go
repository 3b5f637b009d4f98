package ws_test

import (
	"net/http"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/protocol"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/ws"
)

// plain is version 1 of the protocol, but for the data of some events, which is what
// the test says.
type plain struct{ *bellhop.Protocol }

func (p plain) Accept(r *http.Request) (protocol.Opening, error) {
	o, err := p.Protocol.Accept(r)
	o.Session = p
	return o, err
}

func (p plain) AppendEvent(dst []byte, e *hub.Event, user cursor.Tag) []byte {
	var name string
	var data []byte
	switch c := e.Content.(type) {
	case hub.Welcome:
		name, data = "welcome", []byte(`{"user":"`+string(c.User)+`"}`)
	case hub.Live:
		name, data = "live", []byte("{}")
	case hub.Notification:
		name, data = "notification", c.Content
	default:
		return p.Protocol.AppendEvent(dst, e, user)
	}
	dst = append(append(append(dst, `{"event":"`...), name...), '"')
	if e.Sequence != 0 {
		dst = append(cursors{}.Append(append(dst, `,"cursor":"`...), user, e.Sequence), '"')
	}
	return append(append(append(dst, `,"data":`...), data...), '}')
}

// options are those of the handler and of its protocol.
type options struct {
	ws.Options
	v1 bellhop.Options
}
