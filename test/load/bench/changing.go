//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// changing measures broadcasts that replace the last one, and broadcasts that are
// recalled, and compares both with plain ones.
func (s *session) changing(ctx context.Context) error {
	if err := s.broadcastAs(ctx, "collapsing broadcast", 1, dialect.Collapsing); err != nil {
		return err
	}
	for _, figure := range []string{"cpu", "p50"} {
		s.record("collapsing / plain "+figure,
			s.results.last("collapsing broadcast "+figure, service)/s.results.last("broadcast "+figure, service))
	}
	o := &operator{session: s, client: &http.Client{}}
	defer o.client.CloseIdleConnections()
	for _, recalls := range []bool{false, true} {
		if err := o.measure(ctx, recalls); err != nil {
			return err
		}
	}
	s.record("recall / plain cpu",
		s.results.last("recalled broadcast cpu", service)/s.results.last("broadcast by HTTP cpu", service))
	return nil
}

// operator publishes and recalls broadcasts over HTTP.
type operator struct {
	session *session
	client  *http.Client
}

func (o *operator) measure(ctx context.Context, recalls bool) error {
	s, name := o.session, "broadcast by HTTP"
	if recalls {
		name = "recalled broadcast"
	}
	var sent int64
	cpu, err := s.cost(func() error {
		for start := s.now(); s.now()-start < s.sizes.lasts; sent++ {
			next := time.After(pace)
			if err := o.broadcast(ctx, recalls); err != nil {
				return err
			}
			<-next
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.record(name+" cpu", perMillion(cpu, sent*int64(s.clients)))
	return nil
}

func (o *operator) broadcast(ctx context.Context, recalls bool) error {
	const lane = 1
	s := o.session
	speaks, ok := s.dialect.(*dialect.Service)
	if !ok {
		return fmt.Errorf("%w: %T cannot recall", errFault, s.dialect)
	}
	s.inLane[lane]++
	m := mark.Mark{Lane: lane, User: mark.Everyone, Sequence: s.inLane[lane], Sent: int64(s.now())}
	var receipt struct {
		ID string `json:"id"`
	}
	if err := o.request(ctx, speaks.Operator(), http.MethodPost, "/notify", speaks.Draft(m), &receipt); err != nil {
		return err
	}
	if err := s.crowd.Await(ctx, lane, int64(s.inLane[lane])*int64(s.clients)); err != nil {
		return lost(err, s.crowd)
	}
	if !recalls {
		return nil
	}
	return o.request(ctx, speaks.Operator(), http.MethodDelete, "/notifications/"+receipt.ID, nil, nil)
}

// request sends a request that must be answered with success, and decodes the response
// into answer unless that is nil.
func (o *operator) request(ctx context.Context, token, method, path string, body []byte, answer any) error {
	url := "http://" + o.session.server.Address.String() + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := o.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%w: %s %s was answered with %d: %s", errFault, method, path, response.StatusCode, text)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("decode the response of %s: %w", path, err)
	}
	return nil
}
