package protocol

import (
	"errors"

	"github.com/bellhop/bellhop/internal/notify"
)

// Further reasons to end a connection, of protocols that authenticate by the first
// message.
var (
	CloseAuthenticationTimeout = notify.Close{Code: 4400, Reason: "authentication-timeout", Reconnect: true}
	CloseFirstMessage          = notify.Close{Code: 1008, Reason: "first-message-invalid"}
	CloseTokenInvalid          = notify.Close{Code: 4401, Reason: "token-invalid"}
	CloseTooMany               = notify.Close{Code: 1013, Reason: "too-many-unauthenticated", Reconnect: true}
)

// CloseFor returns how a connection ends whose first message did not authenticate it.
func CloseFor(err error) notify.Close {
	for _, c := range []struct {
		kind error
		why  notify.Close
	}{
		{notify.ErrTokenExpired, notify.CloseExpired},
		{notify.ErrTokenRevoked, notify.CloseRevoked},
		{notify.ErrTokenInvalid, CloseTokenInvalid},
		{notify.ErrUnauthenticated, CloseTokenInvalid},
		{notify.ErrScope, CloseTokenInvalid},
		{notify.ErrMalformed, CloseFirstMessage},
		{notify.ErrInvalid, CloseFirstMessage},
		{notify.ErrLimit, notify.CloseOverloaded},
		{notify.ErrDraining, notify.CloseOverloaded},
		{notify.ErrUnavailable, notify.CloseOverloaded},
		{notify.ErrOutcomeUnknown, notify.CloseOverloaded},
	} {
		if errors.Is(err, c.kind) {
			return c.why
		}
	}
	return notify.CloseInternal
}
