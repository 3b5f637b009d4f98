//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// The users who are measured are members of few and of many topics. The topics of both have the same
// number of notifications, the last of which a connection has missed.
const (
	inFewTopics    = 10
	inManyTopics   = 1_000 // the most that a user may be a member of
	keptForMember  = 1_000
	missedByMember = 20
)

// joined measures lists, counts and connections of users who are members of few and of many topics,
// one request after the other. The floor is not measured, because it has no topics.
func joined(ctx context.Context, b *bench) (err error) {
	speaks := dialect.NewService(server.Secret, maxPublishers)
	k := &stock{bench: b, name: "joined", users: 2, dialect: speaks}
	if k.dir, err = b.makeDir("joined"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	if err := k.start(ctx); err != nil {
		return err
	}
	o := &operator{session: &session{server: k.server}, client: &http.Client{}}
	defer o.client.CloseIdleConnections()
	users := []*member{
		{name: "few", topics: inFewTopics, reader: &reader{stock: k, token: speaks.Token(0), client: o.client}},
		{name: "many", topics: inManyTopics, reader: &reader{stock: k, token: speaks.Token(1), client: o.client}},
	}
	for i, m := range users {
		m.user = uint32(i)
		if err := m.prepare(ctx, o, speaks); err != nil {
			return fmt.Errorf("prepare a member of %d topics: %w", m.topics, err)
		}
	}
	for range b.sizes.rounds {
		for _, m := range users {
			if err := m.measure(ctx, speaks); err != nil {
				return fmt.Errorf("a member of %d topics: %w", m.topics, err)
			}
		}
		for _, what := range []string{"list", "count", "open", "resume"} {
			b.results.add("growth of "+what+" by topics joined", service,
				b.results.last(what+" many joined cpu", service)/b.results.last(what+" few joined cpu", service))
		}
	}
	return nil
}

// member is a user who is a member of topics.
type member struct {
	*reader
	name   string
	user   uint32
	topics int
	cursor []byte // before the last notifications
}

// prepare makes m join its topics, publishes to them, and takes a cursor before the last notifications.
func (m *member) prepare(ctx context.Context, o *operator, speaks *dialect.Service) error {
	names := make([]string, m.topics)
	for i := range names {
		names[i] = fmt.Sprintf(`"%s.%d"`, m.name, i)
	}
	body := `{"topics":[` + strings.Join(names, ",") + `]}`
	path := "/users/" + dialect.UserName(m.user) + "/topics"
	if err := o.request(ctx, speaks.Operator(), http.MethodPut, path, []byte(body), nil); err != nil {
		return err
	}
	if err := o.fill(ctx, speaks, m.name, m.topics, keptForMember/m.topics); err != nil {
		return err
	}
	live, err := open(ctx, m.stock.server.Address, speaks, m.user, nil)
	if err != nil {
		return err
	}
	m.cursor = live.cursor
	some := min(m.topics, missedByMember)
	return o.fill(ctx, speaks, m.name, some, missedByMember/some)
}

// measure measures each kind of request.
func (m *member) measure(ctx context.Context, speaks *dialect.Service) error {
	list := func() error {
		var first page
		if err := m.request(ctx, http.MethodGet, "/inbox?limit=50", nil, &first); err != nil {
			return err
		}
		if len(first.Items) != 50 || first.Unread != keptForMember+missedByMember {
			return fmt.Errorf("%w: the list has %d items, and %d are unread", errFault, len(first.Items), first.Unread)
		}
		return nil
	}
	count := func() error {
		var all page
		if err := m.request(ctx, http.MethodGet, "/inbox/counts", nil, &all); err != nil {
			return err
		}
		if all.Unread != keptForMember+missedByMember {
			return fmt.Errorf("%w: %d are unread", errFault, all.Unread)
		}
		return nil
	}
	openFrom := func(cursor []byte, want int) func() error {
		return func() error {
			got, err := open(ctx, m.stock.server.Address, speaks, m.user, cursor)
			if err == nil && got.notifications != want {
				err = fmt.Errorf("%w: %d notifications were missed, want %d", errFault, got.notifications, want)
			}
			return err
		}
	}
	return errors.Join(
		m.repeat(ctx, "list "+m.name+" joined", list),
		m.repeat(ctx, "count "+m.name+" joined", count),
		m.repeat(ctx, "open "+m.name+" joined", openFrom(nil, 0)),
		m.repeat(ctx, "resume "+m.name+" joined", openFrom(m.cursor, missedByMember)),
	)
}
