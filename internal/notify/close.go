package notify

import (
	"fmt"
	"time"
)

// Close is the reason for which a connection is closed. Codes below 4400 are those of
// RFC 6455, section 7.4. The variables below, and CloseRestart, are all reasons that this
// service uses.
type Close struct {
	Code      int
	Reason    string        // at most 123 bytes (RFC 6455, section 5.5)
	Reconnect bool          // whether the client should connect again
	After     time.Duration // delay before reconnecting; with code 1012, a random part of it
}

// The reasons for closing a connection.
var (
	CloseNormal       = Close{Code: 1000, Reason: "bye", Reconnect: true}
	CloseProtocol     = Close{Code: 1002, Reason: "protocol-error"}
	CloseBinary       = Close{Code: 1003, Reason: "text-frames-only"}
	CloseNotUTF8      = Close{Code: 1007, Reason: "not-utf-8"}
	CloseNoObject     = Close{Code: 1008, Reason: "not-a-json-object"}
	CloseTooBig       = Close{Code: 1009, Reason: "frame-too-big"}
	CloseInternal     = Close{Code: 1011, Reason: "internal", Reconnect: true}
	CloseOverloaded   = Close{Code: 1013, Reason: "overloaded", Reconnect: true}
	CloseExpired      = Close{Code: 4401, Reason: "token-expired", Reconnect: true}
	CloseRevoked      = Close{Code: 4403, Reason: "token-revoked"}
	CloseOtherUser    = Close{Code: 4403, Reason: "token-of-another-user"}
	CloseSlow         = Close{Code: 4408, Reason: "too-slow", Reconnect: true}
	CloseReplaced     = Close{Code: 4409, Reason: "replaced"}
	CloseDisconnected = Close{Code: 4410, Reason: "disconnected", Reconnect: true}
	ClosePreferences  = Close{Code: 4410, Reason: "preferences-changed", Reconnect: true}
	CloseFlood        = Close{Code: 4429, Reason: "too-many-commands", Reconnect: true}

	// CloseSilent and CloseLost are never sent. Either the peer was silent for too long,
	// or the network has failed. The peer's library reports 1006.
	CloseSilent = Close{Code: 1006, Reason: "silent", Reconnect: true}
	CloseLost   = Close{Code: 1006, Reason: "lost", Reconnect: true}
)

// CloseRestart returns the reason with which a drain closes connections. Clients reconnect
// after a random part of window.
func CloseRestart(window time.Duration) Close {
	seconds := int(window / time.Second)
	return Close{
		Code:      1012,
		Reason:    fmt.Sprintf("restart window=%d", seconds),
		Reconnect: true,
		After:     time.Duration(seconds) * time.Second,
	}
}
