package wire

import (
	"strconv"

	"github.com/bellhop/bellhop/internal/notify"
)

// MaxChanged is how many IDs one inbox event has at most, so that it fits a
// frame: a change of more takes several.
const MaxChanged = 1_000

// NoCount says that an inbox event does not tell how much is unread.
const NoCount = -1

// AppendChange appends the data of an inbox event: the IDs of what has changed,
// and how much is unread then. Of a live event, which changes nothing, it
// appends the data too.
func AppendChange(dst []byte, c *notify.InboxChange, unread int) []byte {
	const perID = 36 + len(`"",`)
	ids := len(c.Read) + len(c.Unread) + len(c.Archived) + len(c.Recalled)
	const names = 96
	if dst == nil {
		dst = make([]byte, 0, names+perID*ids)
	}
	dst = append(dst, '{')
	dst = appendIDs(dst, "read", c.Read)
	dst = appendIDs(dst, "unread", c.Unread)
	dst = appendIDs(dst, "archived", c.Archived)
	dst = appendIDs(dst, "recalled", c.Recalled)
	if unread != NoCount {
		dst = appendName(dst, "unread_count")
		dst = strconv.AppendInt(dst, int64(unread), 10)
	}
	return append(dst, '}')
}

func appendIDs(dst []byte, name string, ids []string) []byte {
	if len(ids) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, id...)
		dst = append(dst, '"')
	}
	return append(dst, ']')
}

// appendName appends the name of the next member of an object.
func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, `":`...)
}
