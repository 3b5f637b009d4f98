package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// firstOwnCode is the lowest close code that this service has defined.
const firstOwnCode = 4400

// Closed logs that the service has closed a connection, and the reason. Connections that end
// with a code below 4400 are not logged, unless the service is overloaded: their clients have
// left, were lost, or broke the protocol, which the transport logs. Neither are those that only begin
// again because of the user's own preferences.
// subject is called only if the line is written.
func Closed(ctx context.Context, logger *slog.Logger, why notify.Close, subject func() Line) {
	if why.Code < firstOwnCode && why.Code != notify.CloseOverloaded.Code || why == notify.ClosePreferences {
		return
	}
	l := subject()
	l.Action = "connection"
	logger.LogAttrs(ctx, slog.LevelInfo, "connection closed", append(l.attrs(outcomeRefused),
		slog.String("problem", why.Reason), slog.Int("code", why.Code), slog.String("reason", reasonOfClose(&l.By, why)))...)
}

// reasonOfClose returns what the name of the reason does not say.
func reasonOfClose(p *notify.Principal, why notify.Close) string {
	switch why {
	case notify.CloseExpired:
		return "the token expired at " + p.Expires.UTC().Format(time.RFC3339) + " and was not refreshed"
	case notify.CloseRevoked:
		return "the token was revoked, or its issuer is no longer accepted"
	case notify.CloseOtherUser:
		return "the client has refreshed with the token of another user"
	case notify.CloseSlow:
		return "the queue of the connection was full: the client reads too slowly"
	case notify.CloseReplaced:
		return "the user has opened more connections than are allowed"
	case notify.CloseDisconnected:
		return "an operator has closed the connections of the user"
	case notify.CloseFlood:
		return "the client has sent too many commands and pings"
	case notify.CloseOverloaded:
		return "the memory for queues was used up, or this node cannot serve now"
	}
	return why.Reason
}
