//go:build linux

package soak

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// topic is heard by all users.
const topic = "soak.news"

// Of the notifications of a publisher, one of sharedEvery is for everyone, and one for the topic.
const sharedEvery = 100

// retryAfter is the pause before an attempt is repeated.
const retryAfter = 100 * time.Millisecond

// publisher publishes at its share of the rate to its own part of the users, one after another. Each
// notification is repeated with its idempotency key until it is acknowledged, so all of them have
// to arrive, once and in order.
type publisher struct {
	*run
	number int
	users  []*user
	shared int // notifications to everyone and to the topic
	keyed  int // idempotency keys
}

func (p *publisher) publish(ctx context.Context) {
	wait(ctx, time.Duration(p.number)*time.Second/time.Duration(p.Rate)) // publishers take turns
	tick := time.NewTicker(time.Duration(publishers) * time.Second / time.Duration(p.Rate))
	defer tick.Stop()
	next := make([]int, len(p.users))
	for n := p.number * sharedEvery / publishers; ; n++ { // and so do their broadcasts
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch n % sharedEvery {
		case 0, sharedEvery / 2:
			to := `{"all":true}`
			if n%sharedEvery > 0 {
				to = `{"topics":["` + topic + `"]}`
			}
			stream := fmt.Sprint("shared-", p.number)
			if p.until(to, stream, p.shared) {
				p.shared++
				for _, u := range p.users {
					u.expect(stream, p.shared)
				}
			}
		default:
			i := p.number + publishers*(n%((len(p.users)-p.number+publishers-1)/publishers))
			if p.until(`{"users":["`+p.users[i].name+`"]}`, "own", next[i]) {
				next[i]++
				p.users[i].expect("own", next[i])
			}
		}
	}
}

// until publishes until the answer is 202. It reports false if the notification was given up.
func (p *publisher) until(to, stream string, number int) bool {
	p.keyed++
	key := fmt.Sprintf("soak-%d-%d", p.number, p.keyed)
	body := fmt.Sprintf(`{"to":%s,"type":"soak.%s","title":"%d","data":{"at":%d}}`, to, stream, number, time.Now().UnixNano())
	for range 600 { // a minute and more; the service is restarted within it
		if p.once(key, body) {
			p.acknowledged.Add(1)
			return true
		}
		p.refused.Add(1)
		<-time.After(retryAfter)
	}
	return false
}

func (p *publisher) once(key, body string) bool {
	request, err := http.NewRequest(http.MethodPost, p.url("http", "/notify"), bytes.NewReader([]byte(body)))
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+p.keys.token("publisher", "notify:publish notify:broadcast"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	answer, err := p.http.Do(request)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return err == nil && answer.StatusCode == http.StatusAccepted
}
