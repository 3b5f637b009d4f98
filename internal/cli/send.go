package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

type sendCommand struct {
	client

	User      []string      `sep:"none" placeholder:"USER" help:"whom to tell; may be given more than once"`
	All       bool          `help:"tell everyone"`
	Type      string        `required:"" placeholder:"TYPE" help:"what kind of notification it is, such as comment.created"`
	Title     string        `placeholder:"TEXT" help:"its title"`
	Body      string        `placeholder:"TEXT" help:"its text"`
	Data      string        `placeholder:"JSON" help:"a JSON object to pass on"`
	TTL       time.Duration `placeholder:"DURATION" help:"for how long it is of use, such as 1h"`
	Priority  string        `enum:"low,normal,high," default:"" placeholder:"low|normal|high" help:"how urgent it is"`
	Ephemeral bool          `help:"tell open connections only and store nothing"`
	Key       string        `placeholder:"KEY" help:"idempotency key (default: a new one, so that a retry does not publish twice)"`
}

// Run publishes and prints the answer.
func (c *sendCommand) Run(t *terminal) error {
	body, err := c.draft()
	if err != nil {
		return err
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

// draft returns the body of POST /notify. What the service will check is left
// to the service.
func (c *sendCommand) draft() ([]byte, error) {
	if c.All == (len(c.User) > 0) {
		return nil, usagef("say --user or --all, and not both")
	}
	if c.TTL%time.Second != 0 || c.TTL < 0 {
		return nil, usagef("--ttl: %s is not a number of whole seconds", c.TTL)
	}
	if c.Data != "" && (!json.Valid([]byte(c.Data)) || !strings.HasPrefix(strings.TrimSpace(c.Data), "{")) {
		return nil, usagef("--data: must be a JSON object")
	}
	type audience struct {
		Users []string `json:"users,omitempty"`
		All   bool     `json:"all,omitempty"`
	}
	return json.Marshal(struct {
		To        audience        `json:"to"`
		Type      string          `json:"type"`
		Title     string          `json:"title,omitempty"`
		Body      string          `json:"body,omitempty"`
		Data      json.RawMessage `json:"data,omitempty"`
		TTL       int64           `json:"ttl,omitempty"`
		Priority  string          `json:"priority,omitempty"`
		Ephemeral bool            `json:"ephemeral,omitempty"`
	}{
		audience{c.User, c.All},
		c.Type, c.Title, c.Body, json.RawMessage(c.Data), int64(c.TTL / time.Second), c.Priority, c.Ephemeral,
	})
}

// attempts is how often a publish is tried in all.
const attempts = 6

// publish posts body until it is answered for good. All attempts bear the same
// key, so that the notification is published once even if an answer was lost.
func publish(t *terminal, base, token, key string, body []byte) ([]byte, error) {
	var wait backoff
	for n := 1; ; n++ {
		resp, answer, err := post(t.ctx, base+"/notify", token, key, body) //nolint:bodyclose // post closes it
		if err == nil && resp.StatusCode == http.StatusAccepted {
			return answer, nil
		}
		after := wait.next()
		if err == nil {
			problem := problemOf(resp.StatusCode, resp.Header.Get("Retry-After"), answer)
			if !problem.passing() {
				return nil, problem
			}
			err, after = problem, problem.retryAfter(after)
		}
		if n == attempts || t.ctx.Err() != nil {
			return nil, err
		}
		t.tell("%v; trying again in %s", err, after.Round(100*time.Millisecond))
		if err := sleep(t.ctx, after); err != nil {
			return nil, err
		}
	}
}

// post returns the answer's status and headers, and its body, which was read.
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
