package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Event is something that connections receive. It does not change once it was
// offered: all connections that receive it share it, and those that speak the same
// protocol share its encoding.
type Event struct {
	// Sequence is the position that the client has reached with this event: the
	// protocol sends its cursor along. 0: the event has no position.
	Sequence notify.Sequence

	Content Content

	// Unshared says that one connection alone receives the event: its encoding is
	// not kept.
	Unshared bool

	by    atomic.Pointer[Codec] // of first; nil: there is no encoding yet
	first []byte                // written once, before by is

	mu     sync.Mutex               // held while an encoding is made
	others atomic.Pointer[encoding] // of further codecs
}

// Content is what an event says: one of [Notification], [InboxChange], [Welcome],
// [Reset], [Live], [Reply] and [Failure]. How a connection ends is not among
// them, since that is not queued: see [Transport].
type Content interface{ content() }

// Notification is a notification as one reader receives it. Its fields other than those
// of the journal are in its Content: see [notify.Notification.Fields].
type Notification struct{ *notify.Notification }

// InboxChange says which notifications have changed their state for the user or
// left the inbox, and how many are unread and unseen then.
type InboxChange struct {
	Seen, Read, Unread, Archived, Recalled []string // IDs

	Counted bool // whether Counts is known
	Counts  notify.Counts
}

// Size returns the number of IDs.
func (c *InboxChange) Size() int {
	return len(c.Seen) + len(c.Read) + len(c.Unread) + len(c.Archived) + len(c.Recalled)
}

// MaxChanged is how many IDs one InboxChange has at most, so that every protocol can
// write it in one piece: a change of more takes several events.
const MaxChanged = 1_000

// Welcome is the first event of every connection.
type Welcome struct {
	Connection    string // its ID
	User          notify.UserID
	Resumed       bool          // it continues where its cursor says
	PingEvery     time.Duration // between two pings of the service
	Expires       time.Time     // the token; zero: never
	Topics        []notify.TopicPattern
	TopicsIgnored int // topics that the token names in addition to Topics
}

// Reset says that the client's cursor could not be honoured: what is still kept
// follows.
type Reset struct{ Reason ResetReason }

// ResetReason says why a cursor could not be honoured.
type ResetReason string

// The reasons.
const (
	ResetUnknown   ResetReason = "unknown"   // the cursor is not of this store and user
	ResetTruncated ResetReason = "truncated" // notifications or changes after it are no longer kept

	// ResetPreferences means that the preferences of the user hide other notifications than
	// before: some that the client has are gone, or some from before the cursor are back.
	ResetPreferences ResetReason = "preferences"
)

// Live says that everything up to Sequence was sent, that later events are new,
// and how many notifications are unread and unseen. A quiet connection receives it
// again, for its newer cursor.
type Live struct{ Counts notify.Counts }

// Reply is the answer to a command that succeeded.
type Reply struct {
	Ref    string // by which the client knows its command
	Result Result
}

// Result is the outcome of a command: one of [Pong], [Published], [Marked] and
// [Renewed].
type Result interface{ result() }

// Pong answers a command that asks for a sign of life.
type Pong struct{}

// Published is the receipt of a published notification.
type Published struct{ notify.Receipt }

// Marked is how many notifications are unread and unseen after a change of read state.
type Marked struct{ Counts notify.Counts }

// Renewed says until when the newer token of a connection is valid, and which topics it
// has.
type Renewed struct {
	Expires       time.Time // zero: never
	Topics        []notify.TopicPattern
	TopicsIgnored int
}

// Failure is the answer to a command that failed. Protocols show of Err what
// clients may read: see package notify.
type Failure struct {
	Ref string
	Err error
}

func (Notification) content() {}
func (InboxChange) content()  {}
func (Welcome) content()      {}
func (Reset) content()        {}
func (Live) content()         {}
func (Reply) content()        {}
func (Failure) content()      {}

func (Pong) result()      {}
func (Published) result() {}
func (Marked) result()    {}
func (Renewed) result()   {}

// Codec is how a protocol encodes events without their cursors, which differ from
// user to user. A codec is identified by its address.
type Codec struct {
	encode func(dst []byte, e *Event) []byte
}

// NewCodec returns a codec with a function that appends the encoding of an event.
// The function must not use Sequence, and may be called by several goroutines at
// once, for different events.
func NewCodec(encode func(dst []byte, e *Event) []byte) *Codec { return &Codec{encode} }

// encoding is the encoding of an event by a codec other than the first.
type encoding struct {
	by   *Codec
	data []byte
	next *encoding
}

// AppendEncoded appends the encoding of e by c. The first call makes it and the
// others copy it, unless e is unshared. Several goroutines may call it concurrently.
func (e *Event) AppendEncoded(dst []byte, c *Codec) []byte {
	switch {
	case e.by.Load() == c:
		return append(dst, e.first...)
	case e.Unshared:
		return c.encode(dst, e)
	}
	return append(dst, e.encoded(c)...)
}

// usualEncoding is the number of bytes that most encodings fit into, so that appending to
// them allocates once.
const usualEncoding = 192

// encoded returns the encoding of e by c, and makes it unless another caller has.
func (e *Event) encoded(c *Codec) []byte {
	if data, ok := e.find(c); ok {
		return data
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if data, ok := e.find(c); ok {
		return data
	}
	data := c.encode(make([]byte, 0, usualEncoding), e)
	if e.by.Load() == nil {
		e.first = data
		e.by.Store(c)
	} else {
		e.others.Store(&encoding{c, data, e.others.Load()})
	}
	return data
}

// find returns the encoding of e by c, if it was made.
func (e *Event) find(c *Codec) (data []byte, ok bool) {
	if e.by.Load() == c {
		return e.first, true
	}
	for made := e.others.Load(); made != nil; made = made.next {
		if made.by == c {
			return made.data, true
		}
	}
	return nil, false
}
