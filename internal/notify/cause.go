package notify

import "fmt"

// Cause names why a request was refused whose problem has several causes, each of which needs another action
// of an operator. The set is fixed, so that metrics have it as a label. Callers do not receive it.
type Cause string

// The causes of ErrUnavailable.
const (
	CauseBusy        Cause = "busy"         // too many requests of this kind at once
	CauseConnections Cause = "connections"  // this node has reached its limit of connections
	CauseDiskFull    Cause = "disk-full"    // the disk has less free space than the reserve
	CauseJournal     Cause = "journal"      // this node cannot reach or follow the journal
	CauseJournalFull Cause = "journal-full" // the stream has reached its limit
	CauseKeys        Cause = "issuer-keys"  // the keys of an issuer cannot be fetched
	CauseNodes       Cause = "nodes"        // other nodes cannot be reached, or have the name of this one
	CauseQueueFull   Cause = "queue-full"   // more is waiting to be stored than may wait
	CauseStarting    Cause = "starting"     // this node is starting or stopping, or restores a checkpoint
	CauseStore       Cause = "store"        // the store has failed or cannot be opened
	CauseStoreFull   Cause = "store-full"   // records other than notifications take half of the store's limit
)

// The causes of ErrTokenInvalid. Expired and revoked tokens have kinds of their own.
const (
	CauseAPIKey    Cause = "api-key"   // unknown, or mistyped
	CauseAudience  Cause = "audience"  // not one that is accepted
	CauseClient    Cause = "client"    // issued to a client that is not accepted
	CauseIssuer    Cause = "issuer"    // not one that is accepted, or no longer
	CauseKey       Cause = "key"       // no configured key has the kid and alg
	CauseMalformed Cause = "malformed" // no JWT of the form that is required here
	CauseSignature Cause = "signature" // it does not match
	CauseTicket    Cause = "ticket"    // unknown, used, or too old
	CauseTime      Cause = "time"      // not valid yet, or valid for too long
	CauseUser      Cause = "user"      // of another user, or of none
)

// Unavailable returns an error of kind ErrUnavailable with a detail that is sent to the caller.
func Unavailable(cause Cause, format string, args ...any) error {
	return &Error{Kind: ErrUnavailable, Cause: cause, Detail: fmt.Sprintf(format, args...)}
}

// TokenInvalid returns an error of kind ErrTokenInvalid with a detail that is sent to the caller.
func TokenInvalid(cause Cause, format string, args ...any) error {
	return &Error{Kind: ErrTokenInvalid, Cause: cause, Detail: fmt.Sprintf(format, args...)}
}
