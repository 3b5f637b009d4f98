package app

import (
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
)

// plain counts the connections of the public listener that are not WebSockets,
// and refuses those for which there is no open file or memory to spare: the
// store must find some when it needs it, whoever knocks.
type plain struct {
	most   int        // with others; 0: any number
	others func() int // the WebSockets that are open
	logger *slog.Logger

	open atomic.Int64
}

// state is of http.Server.ConnState.
func (p *plain) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if open := p.open.Add(1); p.most > 0 && int(open)+p.others() > p.most {
			p.logger.Warn("connections are refused: no file or memory is left for them", "most", p.most)
			_ = c.Close() // it is told nothing: an answer would take as long as serving it
		}
	case http.StateHijacked, http.StateClosed:
		p.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}
