package bellhop

import (
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
)

// Stream is the protocol on event streams: the same events with the same data as on
// WebSockets, in the form of text/event-stream. The cursor is the ID of the event, so
// that a browser resumes by itself.
type Stream struct{ *Protocol }

// Accept implements protocol.Protocol. A browser that reconnects by itself sends the
// last cursor as Last-Event-ID, of which there is at most one, and which counts more than the query.
func (s Stream) Accept(r *http.Request) (protocol.Opening, error) {
	start, err := startOf(r)
	if err != nil {
		return protocol.Opening{}, err
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		start.Cursor = last
	}
	return protocol.Opening{Session: s, Start: start}, nil
}

// AppendEvent implements protocol.Encoder. The data of an event is JSON in one line. An
// event without a cursor leaves the last ID as it was.
func (s Stream) AppendEvent(dst []byte, e *hub.Event, user cursor.Tag) []byte {
	if e.Sequence != 0 {
		dst = append(dst, "id: "...)
		dst = s.opts.Cursors.Append(dst, user, e.Sequence)
		dst = append(dst, '\n')
	}
	name, _ := nameOf(e)
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: "...)
	dst = s.appendEventData(dst, e)
	return append(dst, "\n\n"...)
}

// AppendClose implements protocol.Encoder: the last event says why the stream ends. A browser that
// reconnects by itself waits for a random part of the time that clients are to stay
// away.
func (Stream) AppendClose(dst []byte, why notify.Close) (message []byte, code int, reason string) {
	if why.After > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, rand.Int64N(why.After.Milliseconds()), 10) //nolint:gosec // to spread load, not to keep a secret
		dst = append(dst, '\n')
	}
	dst = append(dst, "event: "+eventClose+"\ndata: "...)
	dst = append(dst, closeData(why)...)
	return append(dst, "\n\n"...), why.Code, why.Reason
}
