package httpapi

import (
	"container/list"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// pools are the memory for bodies that are arriving: one pool for publishers, one
// for webhooks, whose signature can be checked only once the body is there, one for
// operators and one for all others. Each is shared by address and principal.
type pools struct {
	publishing pool
	unsigned   pool
	operators  pool
	others     pool

	answers *limit.Shares // for pages of inboxes, until they are sent
}

// leastAnswers is enough for two pages of the largest notifications.
const leastAnswers = 4 << 20

// bodyBytes is how much memory bodies may take if the options do not say.
const bodyBytes = 128 << 20

// shareOut gives each pool its part of most bytes, and no less than some bodies
// need.
func (p *pools) shareOut(most int64) {
	if most == 0 {
		most = bodyBytes
	}
	p.publishing.shares = limit.NewShares(max(most/2, maxBatchBody))
	p.unsigned.shares = limit.NewShares(max(most/4, 4*maxNotifyBody))
	p.unsigned.displaces = true
	p.operators.shares = limit.NewShares(max(most/16, 4*maxOtherBody))
	p.answers = limit.NewShares(max(most/8, leastAnswers))
	p.others.shares = limit.NewShares(max(most/8, 4*maxOtherBody))
}

// pool is memory for bodies of one kind.
type pool struct {
	shares *limit.Shares

	// displaces has a body take the memory of an older one from the same address if
	// there is no other: among strangers of one address nothing else tells a body
	// that will be complete in a moment from one that never will be.
	displaces bool

	mu       sync.Mutex
	arriving list.List // of *arrival that displaces concerns, oldest first
}

var (
	errNoMemory  = notify.Errorf(notify.ErrUnavailable, "too much is being received at once; send it again")
	errDisplaced = notify.Errorf(notify.ErrUnavailable, "the body arrived so slowly that its memory was needed for others; send it again")
)

// arrival is a body that is arriving.
type arrival struct {
	pool    *pool
	holder  limit.Holder
	control *http.ResponseController

	// Guarded by pool.mu, if the pool displaces.
	held      int64 // bytes of the pool
	displaced bool
	place     *list.Element // in pool.arriving; nil: none
}

func (p *pool) newArrival(c echo.Context, principal string) *arrival {
	return &arrival{
		pool:    p,
		holder:  limit.Holder{Address: limit.AddressKey(address(c)), Principal: principal},
		control: http.NewResponseController(c.Response()),
	}
}

// take takes n more bytes of memory. It fails with errNoMemory or errDisplaced.
func (a *arrival) take(n int64) error {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.displaced {
		return errDisplaced
	}
	for !p.shares.Take(a.holder, n, a.held) {
		if !p.displaces || !p.displaceLocked(a) {
			return errNoMemory
		}
	}
	a.held += n
	if p.displaces && a.place == nil {
		a.place = p.arriving.PushBack(a)
	}
	return nil
}

// displaceLocked takes the memory from the oldest body that has the address of a
// and came before it, and reports whether there was one.
func (p *pool) displaceLocked(a *arrival) bool {
	for e := p.arriving.Front(); e != nil && e.Value != a; e = e.Next() {
		old, _ := e.Value.(*arrival)
		if old.holder != a.holder {
			continue
		}
		old.displaced = true
		old.leaveLocked()
		_ = old.control.SetReadDeadline(time.Unix(1, 0)) // its handler returns errDisplaced
		return true
	}
	return false
}

// extend lets the rest arrive until deadline, unless the memory was taken away
// meanwhile: then the deadline has passed for good.
func (a *arrival) extend(deadline time.Time) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	if !a.displaced {
		_ = a.control.SetReadDeadline(deadline) // else that of the server holds
	}
}

// leave gives the memory back, and reports whether it had been taken away.
func (a *arrival) leave() (displaced bool) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.leaveLocked()
	return a.displaced
}

func (a *arrival) leaveLocked() {
	a.pool.shares.Give(a.holder, a.held)
	a.held = 0
	if a.place != nil {
		a.pool.arriving.Remove(a.place)
		a.place = nil
	}
}
