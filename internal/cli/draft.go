package cli

import (
	"encoding/json"
	"strings"
	"time"
)

// draft has the members of a notification to publish, as openapi.yaml describes them.
type draft struct {
	To          audience        `json:"to"`
	Type        string          `json:"type"`
	Title       string          `json:"title,omitempty"`
	Body        string          `json:"body,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	URL         string          `json:"url,omitempty"`
	Actions     []action        `json:"actions,omitempty"`
	TTL         int64           `json:"ttl,omitempty"` // seconds
	CollapseKey string          `json:"collapse_key,omitempty"`
	DeliverAt   string          `json:"deliver_at,omitempty"`
	Priority    string          `json:"priority,omitempty"`
	Ephemeral   bool            `json:"ephemeral,omitempty"`
	Silent      bool            `json:"silent,omitempty"`
	Receipt     bool            `json:"receipt,omitempty"`
}

type audience struct {
	Users  []string `json:"users,omitempty"`
	Topics []string `json:"topics,omitempty"`
	All    bool     `json:"all,omitempty"`
	Except []string `json:"except,omitempty"`
}

type action struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// draft returns the body of POST /notify, in which durations count from now. It checks only
// the form of the flags; the service checks the values.
func (c *sendCommand) draft(now time.Time) ([]byte, error) {
	given := 0
	for _, is := range []bool{len(c.User) > 0, len(c.Topic) > 0, c.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, usagef("set one of --user, --topic and --all")
	}
	if c.TTL%time.Second != 0 || c.TTL < 0 {
		return nil, usagef("--ttl: %s is not a number of whole seconds", c.TTL)
	}
	if c.Data != "" && (!json.Valid([]byte(c.Data)) || !strings.HasPrefix(strings.TrimSpace(c.Data), "{")) {
		return nil, usagef("--data: must be a JSON object")
	}
	actions, err := c.actions()
	if err != nil {
		return nil, err
	}
	at, err := c.deliverAt(now)
	if err != nil {
		return nil, err
	}
	return json.Marshal(draft{
		To:   audience{c.User, c.Topic, c.All, c.Except},
		Type: c.Type, Title: c.Title, Body: c.Body, Data: json.RawMessage(c.Data), URL: c.Link, Actions: actions,
		TTL: int64(c.TTL / time.Second), CollapseKey: c.CollapseKey, DeliverAt: at,
		Priority: c.Priority, Ephemeral: c.Ephemeral, Silent: c.Silent, Receipt: c.Receipt,
	})
}

func (c *sendCommand) actions() (all []action, err error) {
	for _, s := range c.Action {
		title, target, ok := strings.Cut(s, "=") // a URL may contain further ones
		if !ok {
			return nil, usagef("--action: %s has no =; write TITLE=URL", printable(s))
		}
		all = append(all, action{title, target})
	}
	return all, nil
}

// deliverAt returns the time of delivery in the form of RFC 3339, empty if there is none.
func (c *sendCommand) deliverAt(now time.Time) (string, error) {
	if c.DeliverAt == "" {
		return "", nil
	}
	if after, err := parseDuration(c.DeliverAt); err == nil && after >= 0 {
		return now.Add(after).UTC().Format(time.RFC3339Nano), nil
	}
	if _, err := time.Parse(time.RFC3339, c.DeliverAt); err != nil {
		return "", usagef("--deliver-at: %s is neither a time such as 2026-12-01T09:00:00Z nor a duration such as 1h30m", printable(c.DeliverAt))
	}
	return c.DeliverAt, nil
}
