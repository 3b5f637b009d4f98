package ws

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// refresh lets the connection go on with a newer token of its user. A bad token
// changes nothing; another user's ends the connection.
func refresh(ctx context.Context, s *socket, cmd wire.Command) ([]byte, error) {
	verifier := s.handler.opts.Verifier
	if verifier == nil {
		return nil, notify.Errorf(notify.ErrUnavailable, "this node cannot verify tokens")
	}
	if cmd.Data == nil {
		return nil, errNoData
	}
	token, err := wire.Refresh(cmd.Data)
	if err != nil {
		return nil, within("/data", err)
	}
	p, err := verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if p.User != s.conn.Principal().User { // an API key's is nobody
		s.conn.End(notify.CloseOtherUser)
		return nil, notify.Errorf(notify.ErrTokenInvalid, "the token is another user's")
	}
	s.conn.Renew(clone(p)) // one that has ended hears no reply either
	// A revocation in the meantime, or the withdrawal of an issuer, looked at the
	// token before this one and found nothing to end.
	if why, yes := p.Issuer.Withdrawn(); yes {
		s.conn.End(why)
		return nil, notify.Errorf(notify.ErrTokenInvalid, "the token's issuer is not accepted any more")
	}
	if _, err := verifier.Verify(ctx, token); errors.Is(err, notify.ErrTokenRevoked) {
		s.conn.End(notify.CloseRevoked)
		return nil, err
	}
	return refreshed(&p), nil
}

// refreshed is the reply to a refresh.
func refreshed(p *notify.Principal) []byte {
	reply := []byte{'{'}
	if !p.Expires.IsZero() { // absent: never
		reply = append(reply, `"expires_in":`...)
		reply = append(strconv.AppendInt(reply, int64(max(0, time.Until(p.Expires).Seconds())), 10), ',')
	}
	return append(wire.AppendTopics(reply, p.Topics, p.TopicsIgnored), '}')
}
