package wire

import (
	"maps"
	"slices"
	"strconv"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// Selection selects the notifications of a mark, by exactly one of its members.
type Selection struct {
	IDs     []string // nil: not by ID
	Through string   // all up to this cursor
	All     bool
}

// maxCursor is the maximum number of characters in a cursor.
const maxCursor = 128

// Marks reads the body of POST /inbox/seen, /inbox/read, /inbox/unread and /inbox/archive, or the data
// of their commands. Its error is of kind ErrMalformed or ErrInvalid, as that of Draft.
// Unknown IDs are ignored, so those that are malformed are left out.
func Marks(body []byte) (Selection, error) {
	v, err := parse(body)
	if err != nil {
		return Selection{}, err
	}
	var r reader
	var s Selection
	given := 0
	r.Members(v, "ids, through and all", func(name string, v strict.Value) bool {
		switch name {
		case "ids":
			r.ids(&s.IDs, v)
		case "through":
			r.cursor(&s.Through, v)
		case "all":
			r.True(&s.All, v)
		default:
			return false
		}
		if v != nil {
			given++
		}
		return true
	})
	if given != 1 && !r.Failed() {
		r.Fault("must have exactly one of ids, through and all")
	}
	if err := r.Err(); err != nil {
		return Selection{}, err
	}
	return s, nil
}

func (r *reader) ids(to *[]string, v strict.Value) {
	if v == nil {
		return
	}
	*to = []string{}
	seen := 0
	r.Items(v, func(v strict.Value) {
		if seen++; seen > notify.MaxMarks {
			return // reported below
		}
		var id string
		if r.Text(&id, v); IsID(id) {
			*to = append(*to, id)
		}
	})
	if v.Kind() == '[' && (seen == 0 || seen > notify.MaxMarks) {
		r.Fault("must have 1 to %d items", notify.MaxMarks)
	}
}

func (r *reader) cursor(to *string, v strict.Value) {
	if r.Text(to, v); v.Kind() == '"' && (*to == "" || len(*to) > maxCursor) {
		r.Fault("must be a cursor, of 1 to %d characters", maxCursor)
	}
}

// IsID reports whether s has the form of a notification's ID.
func IsID(s string) bool {
	const length = 36 // of a UUID
	if len(s) != length {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// InboxPage is the answer to GET /inbox: a page of an inbox, newest first.
type InboxPage struct {
	Items  []InboxItem
	Counts notify.Counts
	Cursor string // a client that connects with it misses nothing published since
	Next   string // the Before of the next page; empty: this is the last page
}

// InboxItem is a notification with its cursor.
type InboxItem struct {
	notify.Notification
	Cursor string
}

// AppendInboxPage appends p as JSON.
func AppendInboxPage(dst []byte, p *InboxPage) []byte {
	dst = append(dst, `{"items":[`...)
	for i := range p.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendNotification(dst, &p.Items[i].Notification)
		dst = dst[:len(dst)-len("}")]
		dst = appendText(dst, `,"cursor":"`, p.Items[i].Cursor)
		dst = append(dst, '}')
	}
	dst = AppendCounts(append(dst, `],`...), p.Counts)
	dst = appendText(dst, `,"cursor":"`, p.Cursor)
	if p.Next != "" {
		dst = appendText(dst, `,"next":"`, p.Next)
	}
	return append(dst, '}')
}

// AppendGroupedCounts appends the answer to GET /inbox/counts. The groups are in the order of their
// names; by is absent without a grouping.
func AppendGroupedCounts(dst []byte, c notify.GroupedCounts, by notify.Grouping) []byte {
	dst = AppendCounts(append(dst, '{'), c.Counts)
	if by == notify.ByNothing {
		return append(dst, '}')
	}
	dst = append(dst, `,"by":{`...)
	for i, name := range slices.Sorted(maps.Keys(c.By)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), `:{"unread":`...)
		dst = strconv.AppendInt(dst, int64(c.By[name].Unread), 10)
		dst = append(dst, `,"unseen":`...)
		dst = strconv.AppendInt(dst, int64(c.By[name].Unseen), 10)
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}

// AppendMarked appends the answer to a mark, which has the counts after it.
func AppendMarked(dst []byte, c notify.Counts) []byte {
	return append(AppendCounts(append(dst, '{'), c), '}')
}

// AppendCounts appends the members of an object that are counts.
func AppendCounts(dst []byte, c notify.Counts) []byte {
	dst = append(dst, `"unread_count":`...)
	dst = strconv.AppendInt(dst, int64(c.Unread), 10)
	dst = append(dst, `,"unseen_count":`...)
	return strconv.AppendInt(dst, int64(c.Unseen), 10)
}

// appendText appends a member with a string that needs no escapes.
func appendText(dst []byte, opening, value string) []byte {
	dst = append(dst, opening...)
	dst = append(dst, value...)
	return append(dst, '"')
}
