//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/mark"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// The members of the two topics that are measured. Those of the small one are members of both, and
// the only ones with an open connection.
const (
	inCrowdedTopic = 100_000
	inSmallTopic   = 100
	joinAtOnce     = 1_000 // the most that one request may name
)

// members measures publishes to a topic with many members and to one with few, which have the same
// open connections, and what it costs to join the topic with many members and an empty one. The
// floor has no topics.
func members(ctx context.Context, b *bench) error {
	return b.runOne(ctx, scenario{name: "members", clients: func(sizes) int { return inSmallTopic }, run: topicsWithMembers}, service)
}

func topicsWithMembers(ctx context.Context, s *session) error {
	o := &operator{session: s, client: &http.Client{}}
	defer o.client.CloseIdleConnections()
	j := &joiner{operator: o}
	for j.users < inCrowdedTopic {
		if err := j.join(ctx, "crowded", joinAtOnce); err != nil {
			return err
		}
	}
	j.users = 0
	if err := j.join(ctx, "small", inSmallTopic); err != nil {
		return err
	}
	j.users = inCrowdedTopic
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	for range s.sizes.rounds {
		if err := o.publishInTurn(ctx, "small", "crowded"); err != nil {
			return err
		}
		if err := j.joinInTurn(ctx); err != nil {
			return err
		}
		for _, what := range []string{"publish", "log bytes of publish", "join"} {
			s.record("growth of "+what+" by members",
				s.results.last(what+" crowded", service)/s.results.last(what+" small", service))
		}
	}
	return s.check(ctx)
}

// spent is what some requests have cost.
type spent struct {
	requests int64
	cpu      time.Duration
	entries  float64 // of the journal
	logBytes float64 // written to the journal
}

// add adds what f, a number of requests, costs.
func (c *spent) add(ctx context.Context, of *server.Server, requests int64, f func() error) error {
	before, err := readJournal(ctx, of)
	if err != nil {
		return err
	}
	cpu, err := cost(of, f)
	if err != nil {
		return err
	}
	after, err := readJournal(ctx, of)
	if err != nil {
		return err
	}
	c.requests += requests
	c.cpu += cpu
	c.entries += after.entries - before.entries
	c.logBytes += after.logBytes - before.logBytes
	return nil
}

func readJournal(ctx context.Context, of *server.Server) (c spent, err error) {
	if c.entries, err = of.Metric(ctx, server.Sequence); err != nil {
		return c, err
	}
	c.logBytes, err = of.Metric(ctx, server.LogBytes)
	return c, err
}

// publishInTurn publishes to two topics in turn, a few notifications to each, so that background work
// falls on both.
func (o *operator) publishInTurn(ctx context.Context, topics ...string) error {
	const inARow = 50
	s := o.session
	costs := make(map[string]*spent, len(topics))
	for _, topic := range topics {
		costs[topic] = &spent{}
	}
	for start := s.now(); s.now()-start < 2*s.sizes.lasts; {
		for _, topic := range topics {
			err := costs[topic].add(ctx, s.server, inARow, func() error {
				for range inARow {
					if err := o.publishTo(ctx, topic); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("publish to the %s topic: %w", topic, err)
			}
		}
	}
	for topic, c := range costs {
		n := float64(c.requests)
		s.record("publish "+topic, perMillion(c.cpu, c.requests))
		s.record("entries of publish "+topic, c.entries/n)
		s.record("log bytes of publish "+topic, c.logBytes/n)
	}
	return nil
}

// publishTo publishes one notification to a topic, and waits until all clients have it.
func (o *operator) publishTo(ctx context.Context, topic string) error {
	const lane = 1
	s := o.session
	s.inLane[lane]++
	m := mark.Mark{Lane: lane, User: mark.Everyone, Sequence: s.inLane[lane], Sent: int64(s.now())}
	if err := o.request(ctx, o.speaks().Operator(), http.MethodPost, "/notify", o.speaks().DraftTo(topic, m), nil); err != nil {
		return err
	}
	return lost(s.crowd.Await(ctx, lane, int64(s.inLane[lane])*int64(s.clients)), s.crowd)
}

// speaks returns the dialect of the service, since the floor has no topics.
func (o *operator) speaks() *dialect.Service {
	return o.session.dialect.(*dialect.Service) // set by bench.start
}

// joiner makes users members of topics.
type joiner struct {
	*operator
	users  int // number of the next user to join
	topics int // number of topics that were joined while they were empty
}

// join makes the next n users members of a topic.
func (j *joiner) join(ctx context.Context, topic string, n int) error {
	names := make([]string, n)
	for i := range names {
		names[i] = dialect.UserName(uint32(j.users + i))
	}
	j.users += n
	var answer struct{ Added int }
	body := `{"add":["` + strings.Join(names, `","`) + `"]}`
	if err := j.request(ctx, j.speaks().Operator(), http.MethodPost, "/topics/"+topic+"/members", []byte(body), &answer); err != nil {
		return err
	}
	if answer.Added != n {
		return fmt.Errorf("%w: %d users have joined, want %d", errFault, answer.Added, n)
	}
	return nil
}

// joinInTurn lets new users join the topic with many members and empty ones in turn.
func (j *joiner) joinInTurn(ctx context.Context) error {
	const turns = 10
	var crowded, empty spent
	for range turns {
		j.topics++
		topic := fmt.Sprintf("empty-%d", j.topics)
		err := empty.add(ctx, j.session.server, joinAtOnce, func() error { return j.join(ctx, topic, joinAtOnce) })
		if err != nil {
			return err
		}
		err = crowded.add(ctx, j.session.server, joinAtOnce, func() error { return j.join(ctx, "crowded", joinAtOnce) })
		if err != nil {
			return err
		}
	}
	j.session.record("join small", perMillion(empty.cpu, empty.requests))
	j.session.record("join crowded", perMillion(crowded.cpu, crowded.requests))
	return nil
}
