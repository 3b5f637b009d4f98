//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// The topics that are measured: few and many with one notification each, and some with a
// full history.
const (
	fewTopics  = 100
	manyTopics = 20_000
	fullTopics = 50
	keptInEach = 1_000
)

// topics measures the cost of listing an inbox by a pattern that matches few and many
// topics, and the time of publishes while a user marks 50,000 notifications as read and
// unread in turn. The floor is not measured, because it stores nothing.
func topics(ctx context.Context, b *bench) (err error) {
	speaks := dialect.NewService(server.Secret, maxPublishers)
	k := &stock{bench: b, name: "topics", users: 1, dialect: speaks}
	if k.dir, err = b.makeDir("topics"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	if err := k.start(ctx); err != nil {
		return err
	}
	o := &operator{session: &session{server: k.server}, client: &http.Client{}}
	defer o.client.CloseIdleConnections()
	for prefix, n := range map[string]int{"few": fewTopics, "many": manyTopics} {
		if err := o.fill(ctx, speaks, prefix, n, 1); err != nil {
			return err
		}
	}
	if err := o.fill(ctx, speaks, "full", fullTopics, keptInEach); err != nil {
		return err
	}
	for range b.sizes.rounds {
		for _, size := range []string{"few", "many"} {
			r := &reader{stock: k, token: speaks.TokenForTopics(0, size+".*"), client: o.client}
			var first page
			list := func() error { return r.request(ctx, http.MethodGet, "/inbox?limit=50", nil, &first) }
			if err := r.repeat(ctx, "list "+size+" topics", list); err != nil {
				return err
			}
		}
		b.results.add("growth by topics", service,
			b.results.last("list many topics cpu", service)/b.results.last("list few topics cpu", service))
		if err := publishDuringMarks(ctx, k, speaks); err != nil {
			return err
		}
	}
	return nil
}

// fill publishes a number of notifications to each of a number of topics, in batches.
func (o *operator) fill(ctx context.Context, speaks *dialect.Service, prefix string, topics, each int) error {
	const most = 1_000
	var drafts []string
	for n := range topics * each {
		drafts = append(drafts, fmt.Sprintf(`{"to":{"topics":["%s.%d"]},"type":"load.test","data":{"n":%d}}`, prefix, n%topics, n))
		if len(drafts) < most && n < topics*each-1 {
			continue
		}
		body := `{"notifications":[` + strings.Join(drafts, ",") + `]}`
		if err := o.request(ctx, speaks.Operator(), http.MethodPost, "/notify/batch", []byte(body), nil); err != nil {
			return fmt.Errorf("fill topics: %w", err)
		}
		drafts = drafts[:0]
	}
	return nil
}

// publishDuringMarks measures publishes without other load, and while a user marks as fast
// as allowed.
func publishDuringMarks(ctx context.Context, k *stock, speaks *dialect.Service) error {
	if err := k.publishAlone(ctx, speaks, "publish alone"); err != nil {
		return err
	}
	marking, stop := context.WithCancel(ctx)
	var user sync.WaitGroup
	var failed error
	user.Go(func() { failed = toggle(marking, k, speaks) })
	err := k.publishAlone(ctx, speaks, "publish during marks")
	stop()
	user.Wait()
	if err != nil {
		return err
	}
	k.bench.results.add("growth during marks", service,
		k.bench.results.last("publish during marks p50", service)/k.bench.results.last("publish alone p50", service))
	return failed
}

// publishAlone measures the time of publishes that run one after the other.
func (k *stock) publishAlone(ctx context.Context, speaks *dialect.Service, metric string) error {
	o := &operator{session: &session{server: k.server}, client: &http.Client{}}
	defer o.client.CloseIdleConnections()
	var took stats.Histogram
	body := []byte(`{"to":{"users":["somebody"]},"type":"load.test"}`)
	for start := time.Now(); time.Since(start) < k.bench.sizes.lasts; {
		began := time.Now()
		if err := o.request(ctx, speaks.Operator(), http.MethodPost, "/notify", body, nil); err != nil {
			return fmt.Errorf("%s: %w", metric, err)
		}
		took.Record(time.Since(began))
	}
	k.bench.results.add(metric+" p50", service, milliseconds(took.Quantile(0.5)))
	return nil
}

// toggle marks all as read and unread in turn until ctx ends. Refusals with 429 are
// expected, because the service limits such users.
func toggle(ctx context.Context, k *stock, speaks *dialect.Service) error {
	const refused = 50 * time.Millisecond
	r := &reader{stock: k, token: speaks.TokenForTopics(0, "full.*"), client: &http.Client{}}
	defer r.client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		verb, want := "/inbox/read", 0
		if n%2 == 1 {
			verb, want = "/inbox/unread", fullTopics*keptInEach
		}
		var response page
		err := r.request(ctx, http.MethodPost, verb, []byte(`{"all":true}`), &response)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errFault) && strings.Contains(err.Error(), " 429"):
			_ = pause(ctx, refused) // ctx is checked by the loop
			n--                     // repeat the same mark
		case err == nil && response.Unread != want:
			return fmt.Errorf("%w: %d are unread, want %d", errFault, response.Unread, want)
		case err != nil:
			return err
		}
	}
	return nil
}
