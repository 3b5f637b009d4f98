package protocol_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
)

// No kind of error by which a first message can fail counts as a fault of the service. A
// client whose credential may be good reconnects.
func TestCloseForKnowsTheKindsOfErrors(t *testing.T) {
	for kind, reconnect := range map[error]bool{
		notify.ErrMalformed:       false,
		notify.ErrInvalid:         false,
		notify.ErrUnauthenticated: false,
		notify.ErrTokenInvalid:    false,
		notify.ErrTokenExpired:    true, // with a new token
		notify.ErrTokenRevoked:    false,
		notify.ErrScope:           false,
		notify.ErrLimit:           true,
		notify.ErrDraining:        true,
		notify.ErrUnavailable:     true,
		notify.ErrOutcomeUnknown:  true, // with a new ticket
	} {
		end := protocol.CloseFor(fmt.Errorf("authenticate: %w", notify.Errorf(kind, "a detail")))
		assert.NotEqual(t, notify.CloseInternal, end, kind)
		assert.Equal(t, reconnect, end.Reconnect, kind)
	}
	assert.Equal(t, notify.CloseInternal, protocol.CloseFor(errors.New("a fault")))
}
