package service

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

// Earliest is the cursor that stands for all that is kept.
const Earliest = "earliest"

// beginning is the place before all notifications: the first entry of a journal
// is a generation.
const beginning notify.Sequence = 1

// pageMost is how many notifications are read and written at a time while a
// connection catches up.
const pageMost = 64

// joining is a connection on its way from its cursor to the live road.
type joining struct {
	service *Service
	conn    *hub.Conn
	user    notify.UserID
	name    string // of the principal
	pages   int    // read so far

	upTo  notify.Sequence // what was durable when the first page was read
	at    notify.Sequence // up to here everything was written
	known notify.Sequence // what retention has removed up to here was told, or was no business of this connection
}

// JoinAtOnce does what Join does if it takes one page of history and one write
// that waits for no peer, as it mostly does; it may wait for a slot to read.
// Otherwise it reports false and has told c nothing: it takes a Join.
func (s *Service) JoinAtOnce(c *hub.Conn, cursor string) bool {
	if _, yes := s.refused(c.Principal()); yes {
		return false
	}
	j := s.joining(c)
	if s.joins.Acquire(context.Background(), j.name) != nil { // which has no end
		return false
	}
	defer s.joins.Release(j.name)
	reset, page, err := j.begin(cursor)
	if err != nil || page.End < j.upTo { // Join says what is wrong
		return false
	}
	live := s.LiveFrame(c, page.End)
	if live == nil {
		return false
	}
	return s.opts.Hub.GoLive(c, page.End, append(j.greeting(cursor, reset, page), live)...)
}

func (s *Service) joining(c *hub.Conn) *joining {
	p := c.Principal()
	return &joining{service: s, conn: c, user: p.User, name: p.Name}
}

// Join writes welcome, reset where it is due, and then everything that the
// user of c was told after cursor, and lets c go live when it has reached what
// is told now: no gap, no repeat. It calls welcomed once, when welcome was
// written: from then on c may be answered. c must be registered with the hub.
// A slow c makes Join slow; it returns early when c or ctx ends.
func (s *Service) Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) error {
	j := s.joining(c)
	if why, yes := s.refused(c.Principal()); yes { // since its token was checked; from now on the hub would end it
		c.End(why)
		return fmt.Errorf("join %s: %w: its token is not accepted any more", c.ID(), hub.ErrEnded)
	}
	if err := j.welcome(ctx, cursor); err != nil {
		return fmt.Errorf("join %s: %w", c.ID(), err)
	}
	welcomed()
	for {
		if err := j.catchUp(ctx); err != nil {
			return fmt.Errorf("join %s: %w", c.ID(), err)
		}
		// What became durable meanwhile was either offered, and GoLive says no,
		// or will be offered once c is live.
		live := s.LiveFrame(c, j.at)
		if live == nil {
			return fmt.Errorf("join %s: %w: the store has failed", c.ID(), hub.ErrEnded)
		}
		if s.opts.Hub.GoLive(c, j.at, live) {
			return nil
		}
	}
}

// welcome decides where the connection starts, and writes that and the first
// page from there.
func (j *joining) welcome(ctx context.Context, cursor string) error {
	release, err := j.acquirePage(ctx)
	if err != nil {
		return err
	}
	defer release()
	var reset string
	var page store.Page
	err = j.read(ctx, func() (err error) {
		reset, page, err = j.begin(cursor)
		return err
	})
	if err != nil {
		return err
	}
	first := j.greeting(cursor, reset, page)
	j.at = page.End
	return j.conn.Write(first...)
}

// greeting is welcome, reset where it is due, and the first page.
func (j *joining) greeting(cursor, reset string, page store.Page) []*hub.Frame {
	first := []*hub.Frame{{Event: "welcome", Sequence: j.at, Data: j.service.welcome(j.conn, cursor, reset)}}
	if reset != "" {
		first = append(first, &hub.Frame{Event: "reset", Sequence: j.at, Data: []byte(`{"reason":"` + reset + `"}`)})
	}
	return append(first, frames(page)...)
}

// begin decides where the connection starts, and reads the first page from
// there. The reason for a reset is empty if the cursor can be honoured.
func (j *joining) begin(from string) (reset string, page store.Page, err error) {
	durable := j.service.opts.Journal.Durable()
	j.upTo = durable
	switch from {
	case "":
		j.at = durable
	case Earliest:
		j.at = beginning
	default:
		j.at, err = j.service.cursors.Open(cursor.TagOf(j.user), from)
		if err != nil || j.at > durable {
			j.at, reset = beginning, "unknown"
		}
	}
	if j.at >= durable { // nothing was told after it, and nothing can be missing
		j.known = j.at
		return reset, store.Page{End: j.at}, nil
	}
	if page, err = j.page(durable); err != nil {
		return "", page, err
	}
	if reset == "" && from != "" && from != Earliest && page.Removed > j.at {
		j.at, reset = beginning, "truncated"
		page, err = j.page(durable)
	}
	j.known = max(j.at, page.Removed)
	return reset, page, err
}

// catchUp writes what is durable now and was not written yet.
func (j *joining) catchUp(ctx context.Context) error {
	for upTo := j.service.opts.Journal.Durable(); j.at < upTo; {
		if err := j.writePage(ctx, upTo); err != nil {
			return err
		}
	}
	return nil
}

func (j *joining) writePage(ctx context.Context, upTo notify.Sequence) error {
	release, err := j.acquirePage(ctx)
	if err != nil {
		return err
	}
	defer release()
	var page store.Page
	err = j.read(ctx, func() (err error) {
		page, err = j.page(upTo)
		return err
	})
	if err != nil {
		return err
	}
	if page.Removed > max(j.known, j.at) {
		// Retention has overtaken this reader. It comes back with its cursor, and
		// is told then.
		j.conn.End(notify.CloseSlow)
		return fmt.Errorf("%w: retention has passed it at %d", hub.ErrEnded, j.at)
	}
	j.at = page.End
	j.charge()
	fs := frames(page)
	if len(fs) == 0 {
		return nil
	}
	return j.conn.Write(fs...)
}

// pagesPerRequest is how many pages a connection may catch up with for what one
// request counts. A user's 20 devices can then all begin anew with 1,000
// notifications each, within the default limit.
const pagesPerRequest = 4

// charge counts what a page has cost. A user who opens connections with a long
// history again and again would otherwise take more of the processor than any other
// request can.
func (j *joining) charge() {
	if j.pages++; j.pages%pagesPerRequest == 0 {
		j.service.opts.Requests.Charge(j.conn.Principal(), 1)
	}
}

// acquirePage waits until j may hold a page in memory, and returns how to give that
// back when the peer has taken it.
func (j *joining) acquirePage(ctx context.Context) (release func(), err error) {
	s, address := j.service, limit.AddressKey(j.conn.Address())
	if err := s.pagesOf.Acquire(ctx, j.name); err != nil {
		return nil, err
	}
	if err := s.pages.Acquire(ctx, address); err != nil {
		s.pagesOf.Release(j.name)
		return nil, err
	}
	return func() {
		s.pages.Release(address)
		s.pagesOf.Release(j.name)
	}, nil
}

// read calls do, which reads from the store, when it is the turn of j.
func (j *joining) read(ctx context.Context, do func() error) error {
	if err := j.service.joins.Acquire(ctx, j.name); err != nil {
		return err
	}
	defer j.service.joins.Release(j.name)
	return do()
}

// page reads on. What the token of the connection says may change meanwhile.
func (j *joining) page(upTo notify.Sequence) (store.Page, error) {
	p := j.conn.Principal()
	return j.service.opts.Store.History(p.Reader(), j.at, upTo, pageMost)
}

// frames returns the notifications of a page that have not expired, and what
// has changed in the inbox, in their one order. How much is unread comes with
// what follows the past.
func frames(p store.Page) []*hub.Frame {
	now := time.Now()
	fs := make([]*hub.Frame, 0, len(p.Notifications)+len(p.Changes))
	room := 0
	for i := range p.Notifications {
		room += len(p.Notifications[i].Content) + envelope
	}
	data := make([]byte, 0, room) // of all, in one piece
	changes := p.Changes
	changesUpTo := func(seq notify.Sequence) {
		for len(changes) > 0 && changes[0].Sequence <= seq {
			fs = append(fs, changeFrames(partsOf(&changes[0]), wire.NoCount)...)
			changes = changes[1:]
		}
	}
	for i := range p.Notifications {
		n := &p.Notifications[i]
		if n.Expired(now) {
			continue
		}
		changesUpTo(n.Sequence - 1)
		if len(changes) > 0 && changes[0].Sequence == n.Sequence {
			changes[0].Sequence = 0 // the cursor comes with n, which has replaced what is gone
			changesUpTo(n.Sequence)
		}
		var f *hub.Frame
		data, f = appendFrame(data, n)
		fs = append(fs, f)
	}
	changesUpTo(p.End)
	return fs
}

// welcome is the data of the first frame.
func (s *Service) welcome(c *hub.Conn, cursor, reset string) []byte {
	p := c.Principal()
	return wire.AppendWelcome(nil, &wire.Welcome{
		Connection: c.ID(),
		User:       p.User,
		Resumed:    reset == "" && cursor != "" && cursor != Earliest,
		Ping:       s.opts.PingEvery,
		Expires:    p.Expires,
		ExpiresIn:  max(0, time.Until(p.Expires)),
		Topics:     p.Topics,
		Ignored:    p.TopicsIgnored,
	})
}
