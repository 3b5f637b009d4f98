package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

type whyCommand struct {
	client

	ID   string `arg:"" placeholder:"ID" help:"ID of the notification, as the publisher received it"`
	User string `placeholder:"USER" help:"only this user; required to learn about a user if the notification went to topics or everyone"`
	JSON bool   `help:"print the answer of the service as JSON"`
}

// Help says who may ask.
func (*whyCommand) Help() string {
	return "The token must be that of the publisher, or have the scope notify:admin. A notification is remembered after it has left " +
		"every inbox, without its text."
}

// Run prints what became of a notification.
func (c *whyCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	target := base + "/notifications/" + url.PathEscape(c.ID)
	if c.User != "" {
		target += "?user=" + url.QueryEscape(c.User)
	}
	answer, err := t.request("GET", target, token, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := fmt.Fprintln(t.stdout, printable(strings.TrimSpace(string(answer))))
		return err
	}
	var trace httpapi.Trace
	if err := json.Unmarshal(answer, &trace); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	lines, err := story(&trace)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.stdout, printableLines(lines))
	return err
}

// printableLines joins lines that may have text of others.
func printableLines(lines []string) string {
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// story tells a trace in lines.
func story(t *httpapi.Trace) ([]string, error) {
	var n struct{ ID, Type, Title, Time, Audience string }
	if err := json.Unmarshal(t.Notification, &n); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	first := n.ID
	if n.Type != "" {
		first += " (" + n.Type
		if n.Title != "" {
			first += ", " + n.Title
		}
		first += ")"
	}
	by := t.PublishedBy
	if by == "" {
		by = "an unknown principal"
	}
	published := "published by " + by + " to " + audienceOf(t, n.Audience)
	switch {
	case t.State == notify.StatusDeferred:
		published += ", due at " + t.DeliverAt
	case t.State != notify.StatusRecalled || n.Time != t.RemovedAt: // not recalled while it was deferred
		published += ", put into inboxes at " + n.Time
	}
	lines := []string{first, published}
	is := fate(t.Fate)
	if t.State == notify.StatusKept {
		is = "is kept" // not in the inbox of each user: some may have turned it off
	}
	lines = append(lines, "it "+is)
	shared := n.Audience != string(notify.AudienceUser)
	for _, u := range t.Users {
		line := userStory(&u, n.Audience == string(notify.AudienceTopic))
		if gone := t.State != notify.StatusKept && t.State != notify.StatusDeferred; gone && shared && u.DeliveredAt == "" {
			line += "; when it was delivered to this user is not kept after it was removed"
		}
		lines = append(lines, line)
	}
	if len(t.Users) == 0 && shared {
		lines = append(lines, "users are not listed; ask for one with --user")
	}
	if len(t.Incomplete) > 0 {
		lines = append(lines, "connections are incomplete: no answer from "+strings.Join(t.Incomplete, ", "))
	}
	return lines, nil
}

func audienceOf(t *httpapi.Trace, audience string) string {
	switch notify.Audience(audience) {
	case notify.AudienceAll:
		return "everyone"
	case notify.AudienceTopic:
		names := make([]string, len(t.Topics))
		for i, topic := range t.Topics {
			names[i] = string(topic)
		}
		return "the topics " + strings.Join(names, ", ")
	case notify.AudienceUser:
	}
	if t.Recipients == 1 {
		return "1 user"
	}
	return fmt.Sprintf("%d users", t.Recipients)
}

// fate says what became of a notification, as the rest of a sentence.
func fate(f httpapi.Fate) string {
	var text string
	switch f.State {
	case notify.StatusKept:
		return "is in the inbox"
	case notify.StatusDeferred:
		return "is not delivered yet"
	case notify.StatusMuted:
		text = "is not shown"
		if f.Reason == notify.ReasonExcept {
			text += ": its publisher left the user out"
		}
		if f.Reason == notify.ReasonPreferences {
			text += ": the user's preferences mute it"
		}
	case notify.StatusReplaced:
		text = "was replaced by " + f.ReplacedBy
	case notify.StatusEvicted:
		text = "was removed"
		switch f.Reason {
		case notify.ReasonFull:
			text += " because the history was full"
		case notify.ReasonRetention:
			text += " by retention"
		case notify.ReasonExcept, notify.ReasonPreferences: // of those that are muted
		}
	case notify.StatusExpired:
		text = "has expired"
	default:
		text = "was " + string(f.State)
	}
	if f.RemovedAt != "" {
		text += " at " + f.RemovedAt
	}
	return text
}

// ruleStory tells which rule of the user applies.
func ruleStory(r *httpapi.Rule) string {
	text := fmt.Sprintf("rule %d applies: %s for", r.Number, r.Level)
	switch {
	case r.Type == "" && r.Topic == "":
		return text + " all notifications"
	case r.Topic == "":
		return text + " the type " + string(r.Type)
	case r.Type == "":
		return text + " the topic " + string(r.Topic)
	}
	return text + " the type " + string(r.Type) + " and the topic " + string(r.Topic)
}

// topicStory tells whether a user has a notification to topics, and whether as a member. Which topics
// its tokens name is not kept; a user who has seen the notification has had a token that names one.
func topicStory(u *httpapi.UserTrace) []string {
	is := fate(u.Fate)
	switch {
	case len(u.MemberOf) > 0:
		names := make([]string, len(u.MemberOf))
		for i, topic := range u.MemberOf {
			names[i] = string(topic)
		}
		if u.State == notify.StatusDeferred {
			return []string{is, "a member of " + strings.Join(names, ", ") + " now"}
		}
		return []string{is, "a member of " + strings.Join(names, ", ") + " when it was published"}
	case u.MemberOf == nil:
		return []string{is, "it is not known whether the user was a member"}
	case u.State == notify.StatusDeferred:
		return []string{is, "a member of none of the topics now"}
	case u.SeenAt != "":
		return []string{is, "a member of none of the topics when it was published, but a token has named one"}
	case u.State == notify.StatusKept:
		is = "is in the inbox only with a token that names one of the topics"
	}
	return []string{is, "a member of none of them when it was published"}
}

// userStory tells the trace of a user.
func userStory(u *httpapi.UserTrace, byTopic bool) string {
	parts := []string{fate(u.Fate)}
	if byTopic {
		parts = topicStory(u)
	}
	parts[0] = string(u.User) + ": " + parts[0]
	if u.Rule != nil {
		parts = append(parts, ruleStory(u.Rule))
	}
	for _, done := range []struct{ verb, at string }{{"delivered to a device", u.DeliveredAt}, {"seen", u.SeenAt}, {"read", u.ReadAt}, {"archived", u.ArchivedAt}} {
		if done.at != "" {
			parts = append(parts, done.verb+" at "+done.at)
		}
	}
	if u.SeenAt == "" && u.State == notify.StatusKept {
		parts = append(parts, "not seen")
	}
	switch {
	case u.Connections == nil:
		parts = append(parts, "connections are not known")
	case *u.Connections == 0:
		parts = append(parts, "no connection is open")
	default:
		parts = append(parts, fmt.Sprintf("open connections: %d, since %s", *u.Connections, u.ConnectedSince))
	}
	return strings.Join(parts, "; ")
}
