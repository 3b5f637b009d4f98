//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// Users whose inboxes are measured, and the numbers of notifications in them.
const (
	fullInbox  = 0
	smallInbox = 1
	keptInFull = 1_000 // the default limit
	keptInTiny = 50
)

// inboxes measures the cost of listing 50 of a full inbox, of filtering and counting all of it, and of
// marking a notification there and in a small inbox: the unread count in every
// response must not cost more in a larger inbox. The floor is not measured, because it stores nothing.
func inboxes(ctx context.Context, b *bench) (err error) {
	speaks := dialect.NewService(server.Secret, maxPublishers)
	k := &stock{bench: b, name: "inboxes", users: 2, dialect: speaks}
	if k.dir, err = b.makeDir("inbox"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	if err := k.start(ctx); err != nil {
		return err
	}
	for user, kept := range map[uint32]int{fullInbox: keptInFull, smallInbox: keptInTiny} {
		one := func(int, int) uint32 { return user }
		if _, err := k.publish(ctx, load{publishers: 1, batch: kept}, one, time.Minute, 1); err != nil {
			return fmt.Errorf("fill an inbox: %w", err)
		}
	}
	for range b.sizes.rounds {
		for _, user := range []uint32{fullInbox, smallInbox} {
			r := &reader{stock: k, token: speaks.Token(user), client: &http.Client{}}
			if err := r.measure(ctx, user == fullInbox); err != nil {
				return err
			}
			r.client.CloseIdleConnections()
		}
		b.results.add("growth of mark", service,
			b.results.last("mark cpu", service)/b.results.last("mark few cpu", service))
	}
	return nil
}

// reader lists and marks the inbox of a user, over one connection.
type reader struct {
	stock  *stock
	token  string
	client *http.Client
}

// page has the members of an inbox response that are checked.
type page struct {
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
	Unread int `json:"unread_count"`
	By     map[string]struct {
		Unread int `json:"unread"`
	} `json:"by"`
}

// measure measures lists and marks, one kind after the other.
func (r *reader) measure(ctx context.Context, full bool) error {
	var first page
	if err := r.request(ctx, http.MethodPost, "/inbox/unread", []byte(`{"all":true}`), &first); err != nil {
		return err
	}
	list := func() error { return r.request(ctx, http.MethodGet, "/inbox?limit=50", nil, &first) }
	if err := list(); err != nil {
		return err
	}
	if len(first.Items) != keptInTiny {
		return fmt.Errorf("%w: the list has %d items, want 50", errFault, len(first.Items))
	}
	unread, turn := first.Unread, 0
	mark := func() error {
		verb, want := "/inbox/read", unread-1
		if turn++; turn%2 == 0 {
			verb, want = "/inbox/unread", unread
		}
		body := fmt.Appendf(nil, `{"ids":[%q]}`, first.Items[turn/2%len(first.Items)].ID)
		if turn%2 == 0 { // the notification of the turn before
			body = fmt.Appendf(nil, `{"ids":[%q]}`, first.Items[(turn-1)/2%len(first.Items)].ID)
		}
		var response page
		if err := r.request(ctx, http.MethodPost, verb, body, &response); err != nil {
			return err
		}
		if response.Unread != want {
			return fmt.Errorf("%w: %d are unread, want %d", errFault, response.Unread, want)
		}
		return nil
	}
	if !full {
		return r.repeat(ctx, "mark few", mark)
	}
	return errors.Join(r.repeat(ctx, "list", list), r.repeat(ctx, "mark", mark), r.measureFilters(ctx))
}

// measureFilters measures lists by a type, a topic and a priority that no notification has, each of
// which reads the whole inbox twice, for the list and for its count, and the counts of all in groups. All
// are unread at first.
func (r *reader) measureFilters(ctx context.Context) error {
	if err := r.request(ctx, http.MethodPost, "/inbox/unread", []byte(`{"all":true}`), &page{}); err != nil {
		return err
	}
	var errs []error
	for _, by := range []struct{ name, filter, group string }{
		{"type", "type=other.*", dialect.Type},
		{"topic", "topic=other.*", ""},
		{"priority", "priority=high", "normal"},
	} {
		filter := func() error {
			var none page
			if err := r.request(ctx, http.MethodGet, "/inbox?limit=50&"+by.filter, nil, &none); err != nil {
				return err
			}
			if len(none.Items) > 0 || none.Unread > 0 {
				return fmt.Errorf("%w: %d items with %s, and %d unread", errFault, len(none.Items), by.filter, none.Unread)
			}
			return nil
		}
		count := func() error {
			var all page
			if err := r.request(ctx, http.MethodGet, "/inbox/counts?by="+by.name, nil, &all); err != nil {
				return err
			}
			if got := all.By[by.group].Unread; all.Unread != keptInFull || by.group != "" && got != keptInFull {
				return fmt.Errorf("%w: %d of the %s %s are unread, and %d in total, want %d", errFault, got, by.name, by.group, all.Unread, keptInFull)
			}
			return nil
		}
		errs = append(errs, r.repeat(ctx, "filter by "+by.name, filter), r.repeat(ctx, "count by "+by.name, count))
	}
	return errors.Join(errs...)
}

// repeat calls f again and again, and records the processor time and the latency of a call.
func (r *reader) repeat(ctx context.Context, metric string, f func() error) error {
	var took stats.Histogram
	run := func() error {
		for start := time.Now(); time.Since(start) < r.stock.bench.sizes.lasts && ctx.Err() == nil; {
			began := time.Now()
			if err := f(); err != nil {
				return err
			}
			took.Record(time.Since(began))
		}
		return ctx.Err()
	}
	cpu, err := cost(r.stock.server, run)
	if err != nil {
		return fmt.Errorf("%s: %w", metric, err)
	}
	r.stock.bench.results.add(metric+" cpu", service, perMillion(cpu, int64(took.Count())))
	r.stock.bench.results.add(metric+" p50", service, milliseconds(took.Quantile(0.5)))
	return nil
}

func (r *reader) request(ctx context.Context, method, path string, body []byte, answer any) error {
	url := "http://" + r.stock.server.Address.String() + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s %s was answered with %d: %s", errFault, method, path, response.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("decode the response of %s: %w", path, err)
	}
	return nil
}
