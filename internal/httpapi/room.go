package httpapi

import (
	"sync/atomic"

	"github.com/bellhop/bellhop/internal/notify"
)

// room is how many bytes of bodies may be in memory while they come: however
// many send however slowly.
type room struct{ left atomic.Int64 }

// errNoRoom says that there is none left.
var errNoRoom = notify.Errorf(notify.ErrUnavailable, "too much is being read at once; send it again")

func (r *room) take(n int64) bool {
	if r.left.Add(-n) >= 0 {
		return true
	}
	r.left.Add(n)
	return false
}

func (r *room) giveBack(n int64) { r.left.Add(n) }

// rooms are apart, so that who has no secret, or no more than a user's token,
// takes no room from those who publish.
type rooms struct {
	publishing room
	unsigned   room // of bodies whose signature cannot be looked at before they have come
	others     room
}

// bodyBytes is how much room there is for bodies if the options do not say.
const bodyBytes = 128 << 20

// share gives each its part of most bytes, and no less than a body or two need.
func (r *rooms) share(most int64) {
	if most == 0 {
		most = bodyBytes
	}
	r.publishing.left.Store(max(most/2, maxBatchBody))
	r.unsigned.left.Store(max(most/4, 2*maxNotifyBody))
	r.others.left.Store(max(most/8, 2*maxOtherBody))
}
