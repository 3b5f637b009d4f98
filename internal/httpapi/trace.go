package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

// Trace is the answer to GET /notifications/{id}.
type Trace struct {
	Notification json.RawMessage `json:"notification"`
	PublishedBy  string          `json:"published_by,omitempty"`
	Topics       []notify.Topic  `json:"topics,omitempty"`
	Recipients   int             `json:"recipients,omitempty"`
	DeliverAt    string          `json:"deliver_at,omitempty"`
	Fate
	Users      []UserTrace `json:"users"`
	Incomplete []string    `json:"incomplete,omitempty"` // names of nodes that have not answered
}

// Fate is what became of a notification.
type Fate struct {
	State      notify.Status `json:"state"`
	Reason     notify.Reason `json:"reason,omitempty"`
	RemovedAt  string        `json:"removed_at,omitempty"`
	ReplacedBy string        `json:"replaced_by,omitempty"`
}

// UserTrace is what became of a notification for one user.
type UserTrace struct {
	User notify.UserID `json:"user"`
	Fate
	Rule           *Rule          `json:"rule,omitempty"`
	MemberOf       []notify.Topic `json:"member_of,omitzero"` // nil: not known
	SeenAt         string         `json:"seen_at,omitempty"`
	ReadAt         string         `json:"read_at,omitempty"`
	ArchivedAt     string         `json:"archived_at,omitempty"`
	DeliveredAt    string         `json:"delivered_at,omitempty"`
	Connections    *int           `json:"connections,omitempty"` // nil: not known
	ConnectedSince string         `json:"connected_since,omitempty"`
}

// Rule is the rule of a user's preferences that applies to a notification.
type Rule struct {
	Number int                 `json:"number"` // the first is 1
	Type   notify.TypePattern  `json:"type,omitempty"`
	Topic  notify.TopicPattern `json:"topic,omitempty"`
	Level  notify.Level        `json:"level"`
}

// trace serves GET /notifications/{id}.
func (a *api) trace(c echo.Context, by notify.Principal) error {
	values, err := readQuery(c.Request().URL.RawQuery, "user")
	if err != nil {
		return err
	}
	user := notify.UserID(values.Get("user"))
	if user != "" {
		if user, err = notify.ParseUser(string(user)); err != nil {
			return notify.Errorf(notify.ErrMalformed, "the query parameter user is not valid: %v", err)
		}
	}
	t, err := a.Service.Trace(c.Request().Context(), by, c.Param("id"), user)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, traceOf(c.Param("id"), &t))
}

// listOf serves GET /users/{user}/inbox.
func (a *api) listOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	q, err := inboxQuery(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.Service.ListOf(c.Request().Context(), by, user, q)
	if err != nil {
		return err
	}
	return a.sendPage(c, by, wire.AppendInboxPage(nil, &page))
}

// RemovedPage is the answer to GET /users/{user}/removed.
type RemovedPage struct {
	Items      []Removed `json:"items"`
	Next       string    `json:"next,omitempty"`
	SearchedTo string    `json:"searched_to,omitempty"`
}

// Removed is a notification that a user no longer has, with the read state of the user when it was removed.
type Removed struct {
	Notification json.RawMessage `json:"notification"`
	Fate
	SeenAt     string `json:"seen_at,omitempty"`
	ReadAt     string `json:"read_at,omitempty"`
	ArchivedAt string `json:"archived_at,omitempty"`
}

// removedOf serves GET /users/{user}/removed.
func (a *api) removedOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	q, err := pageQuery(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	found, err := a.Service.RemovedOf(c.Request().Context(), by, user, q)
	if err != nil {
		return err
	}
	page := RemovedPage{Items: make([]Removed, len(found.Removed)), Next: found.Next, SearchedTo: moment(found.SearchedTo)}
	for i := range found.Removed {
		r := &found.Removed[i]
		view := r.View
		page.Items[i] = Removed{
			Notification: notificationOf(r.ID, r.RemovedType, &r.Notification), Fate: fateOf(r.Fate),
			SeenAt: moment(view.Seen), ReadAt: moment(view.Read), ArchivedAt: moment(view.Archived),
		}
	}
	body, err := json.Marshal(page)
	if err != nil {
		return fmt.Errorf("encode removed notifications: %w", err)
	}
	return a.sendPage(c, by, body)
}

func traceOf(id string, t *service.Trace) Trace {
	if t.Status == notify.StatusDeferred {
		t.Time = t.DeliverAt
	}
	shown := Trace{
		Notification: notificationOf(id, t.RemovedType, &t.Notification), PublishedBy: t.By, Topics: t.Topics, Recipients: len(t.Notification.Users),
		DeliverAt: moment(t.DeliverAt), Fate: fateOf(t.Fate), Users: make([]UserTrace, len(t.Users)), Incomplete: t.Incomplete,
	}
	for i, u := range t.Users {
		shown.Users[i] = UserTrace{
			User: u.User, Fate: fateOf(u.Fate), SeenAt: moment(u.Seen), ReadAt: moment(u.Read), ArchivedAt: moment(u.Archived),
			DeliveredAt: moment(u.Delivered), MemberOf: u.MemberOf, ConnectedSince: moment(t.Connected[i].Since),
		}
		if r := u.Rule; r.Level != "" {
			shown.Users[i].Rule = &Rule{r.Index + 1, r.Type, r.Topic, r.Level}
		}
		if open := &t.Connected[i]; open.Known {
			shown.Users[i].Connections = &open.Number
		}
	}
	return shown
}

func fateOf(f store.Fate) Fate {
	return Fate{State: f.Status, Reason: f.Reason, RemovedAt: moment(f.At), ReplacedBy: f.ReplacedBy}
}

// notificationOf returns n as clients read it, without the read state of a user. Of a removed one, only the ID, the type,
// the time, the audience and the topic are known; one that is deferred has no time.
func notificationOf(id, typ string, n *notify.Notification) []byte {
	if len(n.Content) == 0 {
		n.Content = wire.AppendString([]byte(`"id":`), id)
		n.Content = wire.AppendString(append(n.Content, `,"type":`...), typ)
	}
	n.View = notify.View{Topic: n.Topic}
	return wire.AppendNotification(nil, n)
}

// moment returns t as clients read it; empty: zero.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return wire.Time(t)
}
