package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// publisher publishes numbered notifications to one user, each until it is acknowledged. Every
// attempt goes to the next node, with the same idempotency key.
type publisher struct {
	user  string
	token string
	turn  int

	acknowledged []string    // IDs in the order of their numbers
	times        []time.Time // of the acknowledgements
	refused      int         // attempts that failed
	slowest      time.Duration
}

// run publishes until ctx ends. A notification that was begun is published to the end, unless
// the service does not recover.
func (p *publisher) run(ctx context.Context, l *Load) {
	for ctx.Err() == nil {
		p.publish(ctx, l, len(p.acknowledged))
		<-time.After(l.o.Between)
	}
}

// publish publishes a number until it is acknowledged.
func (p *publisher) publish(ctx context.Context, l *Load, number int) {
	for begun := time.Now(); ctx.Err() == nil || !l.t.Failed() && time.Since(begun) < timeout; {
		p.turn++
		id, err := p.attempt(l, number)
		if err == nil {
			p.acknowledged, p.times = append(p.acknowledged, id), append(p.times, time.Now())
			return
		}
		p.refused++
		<-time.After(retry)
		if l.o.Unkeyed {
			return // a second attempt might be a second notification
		}
	}
}

func (p *publisher) attempt(l *Load, number int) (id string, err error) {
	body := fmt.Sprintf(`{"to":{"users":[%q]},"type":%q,"title":"%d"}`, p.user, plain, number)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, l.url(p.turn)+"/notify", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	if !l.o.Unkeyed {
		req.Header.Set("Idempotency-Key", p.user+"-"+strconv.Itoa(number))
	}
	begun := time.Now()
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	p.slowest = max(p.slowest, time.Since(begun))
	if resp.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("%s: %s", resp.Status, text)
	}
	var receipt struct{ ID string }
	if err := json.Unmarshal(text, &receipt); err != nil {
		return "", err
	}
	return receipt.ID, nil
}
