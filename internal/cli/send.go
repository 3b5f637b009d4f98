package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

type sendCommand struct {
	client

	User        []string      `sep:"none" placeholder:"USER" help:"user to publish to; may be repeated"`
	Topic       []string      `sep:"none" placeholder:"TOPIC" help:"topic to publish to; may be repeated"`
	All         bool          `help:"publish to everyone; requires the scope notify:broadcast"`
	Except      []string      `sep:"none" placeholder:"USER" help:"with --topic or --all: user who does not get it; may be repeated"`
	Type        string        `required:"" placeholder:"TYPE" help:"type of the notification, such as comment.created"`
	Title       string        `placeholder:"TEXT" help:"title"`
	Body        string        `placeholder:"TEXT" help:"text"`
	Data        string        `placeholder:"JSON" help:"a JSON object for the receiving application"`
	Link        string        `placeholder:"URL" help:"the url of the notification, where a click leads: an http or https URL, or a path such as /issues/42"`
	Action      []string      `sep:"none" placeholder:"TITLE=URL" help:"further link, such as Reply=/issues/42#reply; up to three times"`
	TTL         time.Duration `placeholder:"DURATION" help:"time after which it disappears from inboxes, such as 12h or 30d"`
	CollapseKey string        `placeholder:"KEY" help:"replace the previous notification with this key"`
	DeliverAt   string        `placeholder:"TIME" help:"deliver it at this time, such as 2026-12-01T09:00:00Z, or after a duration, such as 1h30m or 7d"`
	Priority    string        `enum:"low,normal,high," default:"" placeholder:"low|normal|high" help:"priority (default: normal)"`
	Ephemeral   bool          `help:"deliver to open connections only and do not store it"`
	Silent      bool          `help:"never push it to devices without a connection"`
	Receipt     bool          `help:"record when it was first written to a device of each user; bellhop why shows it"`
	Key         string        `placeholder:"KEY" help:"idempotency key (default: a new one, so that a retry does not publish twice)"`
}

// Help says which scope is needed.
func (*sendCommand) Help() string {
	return "The token needs the scope notify:publish, or notify:broadcast with --all. The answer has the ID of the notification. " +
		"Example: bellhop send --user ada --type comment.created --title 'Grace commented'"
}

// Run publishes the notification and prints the answer of the service.
func (c *sendCommand) Run(t *terminal) error {
	body, err := c.draft(time.Now())
	if err != nil {
		return err
	}
	if strings.HasPrefix(c.URL, "/") {
		return usagef("--url is the URL of the service; set the url of the notification with --link")
	}
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	key := c.Key
	if key == "" {
		key = uuid.NewString()
	}
	answer, err := publish(t, base, token, key, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.stdout, printable(string(bytes.TrimSpace(answer))))
	return err
}

// maxAttempts is the maximum number of attempts to publish.
const maxAttempts = 6

// publish posts body until the answer is final or there were maxAttempts. All
// attempts have the same idempotency key, so that the notification is published
// once even if an answer is lost.
func publish(t *terminal, base, token, key string, body []byte) ([]byte, error) {
	var delays backoff
	for n := 1; ; n++ {
		resp, answer, err := post(t.ctx, base+"/notify", token, key, body) //nolint:bodyclose // post closes it
		if err == nil && resp.StatusCode == http.StatusAccepted {
			return answer, nil
		}
		delay := delays.next()
		if err == nil {
			problem := problemOf(resp.StatusCode, resp.Header.Get("Retry-After"), answer)
			if !problem.isTemporary() {
				return nil, problem
			}
			err, delay = problem, problem.retryAfter(delay)
		}
		if n == maxAttempts || t.ctx.Err() != nil {
			return nil, err
		}
		t.note("%v; trying again in %s", err, delay.Round(100*time.Millisecond))
		if err := sleep(t.ctx, delay); err != nil {
			return nil, err
		}
	}
}

// post makes one attempt and returns the answer, and the body that was read from it.
func post(ctx context.Context, url, token, key string, body []byte) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := (&http.Client{CheckRedirect: refuseRedirect}).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	return resp, answer, nil
}
