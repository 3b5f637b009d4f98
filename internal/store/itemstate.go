package store

import (
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// itemState is what a user has done with a notification. The zero value is that of a new
// one. Times are in milliseconds since 1970; 0: the user has not done it.
type itemState struct{ seen, read, archived int64 }

func (s itemState) unread() bool { return s.read == 0 && s.archived == 0 }

func (s itemState) unseen() bool { return s.seen == 0 }

func (s itemState) view() notify.View {
	return notify.View{Seen: fromMillis(s.seen), Read: fromMillis(s.read), Archived: fromMillis(s.archived)}
}

// applied returns s with verb applied at a time. What the user has done already keeps its
// time. Reading and archiving imply seeing.
func (s itemState) applied(verb notify.Verb, at time.Time) itemState {
	if s.seen == 0 && verb != notify.VerbUnread {
		s.seen = toMillis(at)
	}
	switch {
	case verb == notify.VerbRead && s.read == 0:
		s.read = toMillis(at)
	case verb == notify.VerbArchive && s.archived == 0:
		s.archived = toMillis(at)
	case verb == notify.VerbUnread:
		s.read, s.archived = 0, 0
	}
	return s
}

func (s itemState) append(dst []byte) []byte {
	for _, ms := range [...]int64{s.seen, s.read, s.archived} {
		dst = pack.AppendUint(dst, uint64(ms)) //nolint:gosec // a time since 1970
	}
	return dst
}

func decodeReadState(r *pack.Reader) itemState {
	return itemState{seen: int64(r.Uint()), read: int64(r.Uint()), archived: int64(r.Uint())} //nolint:gosec // written by append
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
