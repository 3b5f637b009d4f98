package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// Earliest is the cursor before all notifications that are kept.
const Earliest = "earliest"

// beginning is a sequence before those of all notifications: the first entry of a
// journal is a generation.
const beginning notify.Sequence = 1

// maxPage is the number of notifications that are read and written at a time while a
// connection catches up.
const maxPage = 64

// joining is a connection that catches up from its cursor and is not live yet.
type joining struct {
	service *Service
	conn    *hub.Conn
	user    notify.UserID
	name    string // of the principal
	pages   int    // read so far
	sent    int    // notifications in pages that were read

	upTo notify.Sequence // the last durable sequence when the first page was read
	at   notify.Sequence // everything up to it was written

	// Removals by retention up to this sequence were already announced, or precede
	// the cursor.
	removed notify.Sequence
}

// JoinAtOnce is the fast path of Join, for a connection that needs one page of history
// and one write that does not wait for the client. It may wait for a slot to read. It
// reports false, having sent nothing, if the caller must use Join.
func (s *Service) JoinAtOnce(c *hub.Conn, cursor string) bool {
	j, ok := s.beginJoining(c)
	if !ok || s.isAhead(cursor) {
		return false
	}
	if s.loadUser(c) != nil { // Join logs the error
		return false
	}
	if s.joins.Acquire(context.Background(), j.name) != nil { // cannot happen: the context does not end
		return false
	}
	defer s.joins.Release(j.name)
	reset, page, err := j.begin(cursor)
	if err != nil || page.End < j.upTo { // Join logs the error
		return false
	}
	live, ok := s.liveAt(c, page.End)
	if !ok {
		return false
	}
	if !s.opts.Hub.GoLive(c, page.End, append(j.greeting(cursor, reset, page), live)...) {
		return false
	}
	j.count(cursor, reset)
	return true
}

// count counts what a connection was sent before it went live.
func (j *joining) count(cursor string, reset hub.ResetReason) {
	if cursor != "" {
		j.service.opts.Metrics.Replayed(j.sent)
	}
	if reset != "" {
		j.service.opts.Metrics.Reset(string(reset))
	}
}

// beginJoining reports false if the token of c is no longer accepted.
//
//go:noinline // its principal would lie on the stack of JoinAtOnce, below all that the store needs
func (s *Service) beginJoining(c *hub.Conn) (j *joining, ok bool) {
	p := c.Principal()
	if _, yes := s.refused(p); yes {
		return nil, false
	}
	return s.joining(c, &p), true
}

func (s *Service) joining(c *hub.Conn, p *notify.Principal) *joining {
	return &joining{service: s, conn: c, user: p.User, name: p.Name}
}

// Join writes welcome, reset if the cursor cannot be honoured, and then all events of
// the user of c after cursor. It lets c go live when it has written everything that is
// durable, so that no event is missing or repeated. It calls welcomed once, after
// welcome was written: from then on replies may be sent to c. c must be registered
// with the hub. Join waits for the client, and returns early when c or ctx ends. It reports
// false if c did not go live: then it has ended c, and logged the reason if that is a fault
// of the service.
func (s *Service) Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) (live bool) {
	err := s.join(ctx, c, cursor, welcomed)
	if err == nil {
		return true
	}
	if errors.Is(err, notify.ErrUnavailable) { // of this node, for a moment: another one can serve the client
		c.End(notify.CloseOverloaded)
		return false
	}
	if !errors.Is(err, hub.ErrEnded) && ctx.Err() == nil {
		s.opts.Logger.Error("joining a connection failed", append(c.LogAttrs(), slog.Any("error", err))...)
	}
	c.End(notify.CloseInternal)
	return false
}

func (s *Service) join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) error {
	p := c.Principal()
	if why, yes := s.refused(p); yes { // revoked after the token was checked, and before the hub knew c
		c.End(why)
		return fmt.Errorf("%w: its token is no longer accepted", hub.ErrEnded)
	}
	if err := s.loadUser(c); err != nil {
		return err
	}
	j := s.joining(c, &p)
	reset, err := j.welcome(ctx, cursor)
	if err != nil {
		return err
	}
	welcomed()
	for {
		if err := j.catchUp(ctx); err != nil {
			return err
		}
		// An event that became durable meanwhile either was offered to c, and GoLive
		// reports false, or will be offered once c is live.
		live, ok := s.liveAt(c, j.at)
		if !ok {
			return fmt.Errorf("%w: counting notifications failed", hub.ErrEnded)
		}
		if s.opts.Hub.GoLive(c, j.at, live) {
			j.count(cursor, reset)
			return nil
		}
	}
}

// liveAt returns the event live, which says that c has received everything up to a
// sequence. If counting fails, c ends.
func (s *Service) liveAt(c *hub.Conn, at notify.Sequence) (e *hub.Event, ok bool) {
	counts, ok := s.Count(c.Reader(), at)
	if !ok {
		c.End(notify.CloseInternal)
		return nil, false
	}
	return &hub.Event{Sequence: at, Content: hub.Live{Counts: counts}, Unshared: true}, true
}

// welcome decides where the connection starts, and writes welcome, reset and the first
// page from there.
func (j *joining) welcome(ctx context.Context, cursor string) (reset hub.ResetReason, err error) {
	if err := j.service.reach(ctx, cursor); err != nil {
		return "", err
	}
	release, err := j.acquirePage(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	var page store.Page
	err = j.read(ctx, func() (err error) {
		reset, page, err = j.begin(cursor)
		return err
	})
	if err != nil {
		return "", err
	}
	first := j.greeting(cursor, reset, page)
	j.at = page.End
	return reset, j.conn.Write(first...)
}

// greeting returns welcome, reset if it is due, and the first page.
func (j *joining) greeting(cursor string, reset hub.ResetReason, page store.Page) []*hub.Event {
	first := []*hub.Event{{Sequence: j.at, Content: j.welcomeOf(cursor, reset), Unshared: true}}
	if reset != "" {
		first = append(first, &hub.Event{Sequence: j.at, Content: hub.Reset{Reason: reset}, Unshared: true})
	}
	j.sent += len(page.Notifications)
	return append(first, eventsOf(page)...)
}

// isAhead reports whether a cursor names a sequence that this node has not applied. Another
// node may have sealed it.
func (s *Service) isAhead(from string) bool {
	seq, ok := cursor.SequenceOf(from)
	return ok && seq > s.opts.Journal.Durable()
}

// reach waits until this node has caught up with the others, if a cursor is ahead of it. The
// error is of kind ErrUnavailable if the node could not catch up.
func (s *Service) reach(ctx context.Context, from string) error {
	if !s.isAhead(from) {
		return nil
	}
	s.opts.Journal.CatchUp(ctx)
	if err := s.opts.Journal.Ready(); err != nil && s.isAhead(from) {
		return err //nolint:wrapcheck // callers know its kind
	}
	return nil
}

// openCursor returns the sequence of a cursor, after reach. Its error is cursor.ErrUnknown, or
// that of reach.
func (s *Service) openCursor(ctx context.Context, tag cursor.Tag, from string) (notify.Sequence, error) {
	if err := s.reach(ctx, from); err != nil {
		return 0, err
	}
	return s.cursors.Open(tag, from) //nolint:wrapcheck // callers know its kind
}

// begin decides where the connection starts, and reads the first page from
// there. The reason for a reset is empty if the cursor can be honoured.
func (j *joining) begin(from string) (reset hub.ResetReason, page store.Page, err error) {
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
			j.at, reset = beginning, hub.ResetUnknown
		}
	}
	if j.at >= durable { // there is nothing after it, so nothing can be missing
		j.removed = j.at
		return reset, store.Page{End: j.at}, nil
	}
	if page, err = j.page(durable); err != nil {
		return "", page, err
	}
	if reset == "" && from != "" && from != Earliest && max(page.Removed, page.Muted) > j.at {
		if reset = hub.ResetPreferences; page.Removed > j.at {
			reset = hub.ResetTruncated
		}
		j.at = beginning
		page, err = j.page(durable)
	}
	j.removed = max(j.at, page.Removed)
	return reset, page, err
}

// catchUp writes everything that is durable now and was not written yet.
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
	if page.Removed > max(j.removed, j.at) {
		// Retention has removed notifications that were not written yet. The client
		// resumes with its cursor and then receives a reset.
		j.conn.End(notify.CloseSlow)
		return fmt.Errorf("%w: retention has removed notifications after %d, which were not sent yet", hub.ErrEnded, j.at)
	}
	j.at, j.sent = page.End, j.sent+len(page.Notifications)
	j.charge()
	events := eventsOf(page)
	if len(events) == 0 {
		return nil
	}
	return j.conn.Write(events...)
}

// pagesPerRequest is the number of pages that count as one request of the principal.
// With it, 20 devices of a user can each start with 1,000 notifications within the
// default limit.
const pagesPerRequest = 4

// charge counts a page against the requests of the principal. Without it, opening
// connections with a long history would cost more processor time than any other
// request of the same price.
func (j *joining) charge() {
	if j.pages++; j.pages%pagesPerRequest == 0 {
		j.service.opts.Requests.Charge(j.conn.Principal(), 1)
	}
}

// acquirePage waits until j may hold a page in memory. The caller calls release when
// the client has taken the page.
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

// read waits for a slot to read from the store, and calls do.
func (j *joining) read(ctx context.Context, do func() error) error {
	if err := j.service.joins.Acquire(ctx, j.name); err != nil {
		return err
	}
	defer j.service.joins.Release(j.name)
	return do()
}

// page reads the next page. It uses the current principal: a refresh may have changed
// it since the last page.
func (j *joining) page(upTo notify.Sequence) (store.Page, error) {
	return j.service.opts.Store.History(j.conn.Reader(), j.at, upTo, maxPage)
}

// eventsOf returns the notifications of a page that have not expired, and the changes
// of the inbox, in the order of their sequences. The counts come with a later event.
func eventsOf(p store.Page) []*hub.Event {
	now := time.Now()
	all := make([]*hub.Event, 0, len(p.Notifications)+len(p.Changes))
	events := make([]hub.Event, len(p.Notifications)) // in one piece of memory
	changes := p.Changes
	changesUpTo := func(seq notify.Sequence) {
		for len(changes) > 0 && changes[0].Sequence <= seq {
			for _, e := range eventsOfParts(partsOf(&changes[0]), changes[0].Sequence) {
				e.Unshared = true
				all = append(all, e)
			}
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
			changes[0].Sequence = 0 // the cursor comes with n, which has replaced the recalled one
			changesUpTo(n.Sequence)
		}
		e := &events[i]
		e.Sequence, e.Content, e.Unshared = n.Sequence, hub.Notification{Notification: n}, true
		all = append(all, e)
	}
	changesUpTo(p.End)
	return all
}

// welcomeOf returns the content of the first event.
func (j *joining) welcomeOf(cursor string, reset hub.ResetReason) hub.Welcome {
	p := j.conn.Principal()
	return hub.Welcome{
		Connection:    j.conn.ID(),
		User:          p.User,
		Resumed:       reset == "" && cursor != "" && cursor != Earliest,
		PingEvery:     j.service.opts.PingEvery,
		Expires:       p.Expires,
		Topics:        p.Topics,
		TopicsIgnored: p.TopicsIgnored,
	}
}
