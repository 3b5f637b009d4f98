package store

import (
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// itemState is the state of a notification for a user. The zero value is that of a new one. Times
// are in milliseconds since 1970; 0: the user has not done it.
type itemState struct {
	seen, read, archived int64

	// hidden says that the notification leaves the user out, although it is in a history that
	// the user reads. Nothing else is set then.
	hidden bool
}

// verbHide hides a notification from a user. No Mark has it.
const verbHide notify.Verb = "hide"

func (s itemState) unread() bool { return s.read == 0 && s.archived == 0 && !s.hidden }

func (s itemState) unseen() bool { return s.seen == 0 && !s.hidden }

func (s itemState) view() notify.View {
	return notify.View{Seen: fromMillis(s.seen), Read: fromMillis(s.read), Archived: fromMillis(s.archived)}
}

// applied returns s with verb applied at a time. What the user has done already keeps its
// time. Reading and archiving imply seeing. A hidden notification stays so.
func (s itemState) applied(verb notify.Verb, at time.Time) itemState {
	switch {
	case s.hidden:
		return s
	case verb == verbHide:
		return itemState{hidden: true}
	case verb == notify.VerbUnread:
		s.read, s.archived = 0, 0
		return s
	case s.seen == 0:
		s.seen = toMillis(at)
	}
	switch {
	case verb == notify.VerbRead && s.read == 0:
		s.read = toMillis(at)
	case verb == notify.VerbArchive && s.archived == 0:
		s.archived = toMillis(at)
	}
	return s
}

// append encodes s. The lowest bit of the first number says whether it is hidden.
func (s itemState) append(dst []byte) []byte {
	seen := uint64(s.seen) << 1 //nolint:gosec // a time since 1970
	if s.hidden {
		seen |= 1
	}
	dst = pack.AppendUint(dst, seen)
	dst = pack.AppendUint(dst, uint64(s.read))      //nolint:gosec // a time since 1970
	return pack.AppendUint(dst, uint64(s.archived)) //nolint:gosec // a time since 1970
}

func decodeItemState(r *pack.Reader) itemState {
	seen := r.Uint()
	s := itemState{seen: int64(seen >> 1), hidden: seen&1 == 1}
	s.read, s.archived = int64(r.Uint()), int64(r.Uint()) //nolint:gosec // written by append
	return s
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// count adds n notifications with the state s to c.
func (s itemState) count(c *notify.Counts, n int) {
	if s.unread() {
		c.Unread += n
	}
	if s.unseen() {
		c.Unseen += n
	}
}
