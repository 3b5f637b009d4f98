package notify

// Status says what became of a notification, for all its users or for one.
type Status string

// The statuses.
const (
	StatusKept     Status = "kept"     // it is in the inbox
	StatusDeferred Status = "deferred" // its time of delivery has not come
	StatusExpired  Status = "expired"
	StatusReplaced Status = "replaced" // by a later one with the same collapse key
	StatusRecalled Status = "recalled"
	StatusEvicted  Status = "evicted" // by retention, or because the history was full
	StatusMuted    Status = "muted"   // it is not shown to the user
)

// Reason says more about a Status.
type Reason string

// The reasons.
const (
	ReasonRetention Reason = "retention"    // of StatusEvicted: too old, or the store was full
	ReasonFull      Reason = "history-full" // of StatusEvicted
	ReasonExcept    Reason = "except"       // of StatusMuted: its publisher left the user out

	// ReasonPreferences is of StatusMuted: the preferences of the user hide it.
	ReasonPreferences Reason = "preferences"
)
