//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// Of the users with an open connection, the second half has preferences with the most rules, none of
// which selects what is published. Two further users have a full inbox, the second one with the same
// preferences.
const (
	withConnection = 100
	plainReader    = withConnection
	rulesReader    = withConnection + 1
	mostRules      = 100
)

// preferences compares publishes to users, and lists, counts and connections, with and without rules. The
// floor has no preferences.
func preferences(ctx context.Context, b *bench) error {
	return b.runOne(ctx, scenario{
		name: "preferences", clients: func(sizes) int { return withConnection },
		run: func(ctx context.Context, s *session) error { return s.withRules(ctx, b) },
	}, service)
}

func (s *session) withRules(ctx context.Context, b *bench) error {
	o := &operator{session: s, client: &http.Client{}}
	defer o.client.CloseIdleConnections()
	k := &stock{bench: b, name: "preferences", users: rulesReader + 1, server: s.server, dialect: s.dialect}
	for user := range uint32(rulesReader + 1) {
		if user == rulesReader || user >= withConnection/2 && user < withConnection {
			if err := o.setRules(ctx, user); err != nil {
				return err
			}
		}
	}
	for _, user := range []uint32{plainReader, rulesReader} {
		if _, err := k.publish(ctx, load{publishers: 1, batch: keptInFull}, toOne(user), time.Minute, 1); err != nil {
			return fmt.Errorf("fill an inbox: %w", err)
		}
	}
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	readers := map[string]*rulesUser{}
	for name, user := range map[string]uint32{"without rules": plainReader, "with rules": rulesReader} {
		readers[name] = &rulesUser{reader: &reader{stock: k, token: o.speaks().Token(user), client: o.client}, name: name, user: user}
	}
	for range s.sizes.rounds {
		if err := o.publishToHalves(ctx); err != nil {
			return err
		}
		for _, name := range []string{"without rules", "with rules"} {
			if err := readers[name].measure(ctx); err != nil {
				return err
			}
		}
		for _, what := range []string{"publish", "list", "count", "open"} {
			s.record("growth of "+what+" by rules",
				s.results.last(what+" with rules cpu", service)/s.results.last(what+" without rules cpu", service))
		}
	}
	return s.check(ctx)
}

// setRules gives a user as many rules as possible. Half of them name a topic, and half a type.
func (o *operator) setRules(ctx context.Context, user uint32) error {
	rules := make([]string, mostRules)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"topic":"project.%d","level":"off"}`, i)
		if i%2 == 0 {
			rules[i] = fmt.Sprintf(`{"type":"comment.%d.*","level":"off"}`, i)
		}
	}
	body := `{"rules":[` + strings.Join(rules, ",") + `]}`
	return o.request(ctx, o.speaks().Operator(), http.MethodPut, "/users/"+dialect.UserName(user)+"/preferences", []byte(body), nil)
}

// publishToHalves publishes to the users without rules and, in turn, to those with rules, a few
// notifications to each, so that background work falls on both.
func (o *operator) publishToHalves(ctx context.Context) error {
	const half = withConnection / 2
	s := o.session
	names := []string{"publish without rules", "publish with rules"}
	costs := make([]spent, len(names))
	for start := s.now(); s.now()-start < 2*s.sizes.lasts; {
		for i := range costs {
			err := costs[i].add(ctx, s.server, half, func() error {
				for user := range uint32(half) {
					if err := o.publishToUser(ctx, uint32(i)*half+user); err != nil {
						return err
					}
				}
				return s.awaitAll(ctx)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
		}
	}
	for i := range costs {
		s.record(names[i]+" cpu", perMillion(costs[i].cpu, costs[i].requests))
	}
	return nil
}

// publishToUser publishes one notification to a user.
func (o *operator) publishToUser(ctx context.Context, user uint32) error {
	s := o.session
	s.toUser[user]++
	s.inLane[0]++
	m := mark.Mark{User: user, Sequence: s.toUser[user], Sent: int64(s.now())}
	return o.request(ctx, o.speaks().Operator(), http.MethodPost, "/notify", o.speaks().Draft(m), nil)
}

// rulesUser is a user with a full inbox.
type rulesUser struct {
	*reader
	name string
	user uint32
}

// measure measures each kind of request.
func (r *rulesUser) measure(ctx context.Context) error {
	get := func(path string, items int) func() error {
		return func() error {
			var got page
			if err := r.request(ctx, http.MethodGet, path, nil, &got); err != nil {
				return err
			}
			if len(got.Items) != items || got.Unread != keptInFull {
				return fmt.Errorf("%w: %s has %d items, and %d are unread", errFault, path, len(got.Items), got.Unread)
			}
			return nil
		}
	}
	connect := func() error {
		_, err := open(ctx, r.stock.server.Address, r.stock.dialect, r.user, nil)
		return err
	}
	return errors.Join(
		r.repeat(ctx, "list "+r.name, get("/inbox?limit=50", 50)),
		r.repeat(ctx, "count "+r.name, get("/inbox/counts", 0)),
		r.repeat(ctx, "open "+r.name, connect),
	)
}
