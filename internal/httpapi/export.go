package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

// keptLine is a line of an export. Members that its kind does not have are absent.
type keptLine struct {
	Kind         store.KeptKind  `json:"kind"`
	User         notify.UserID   `json:"user,omitempty"`
	ID           string          `json:"id,omitempty"`
	Type         string          `json:"type,omitempty"`
	Notification json.RawMessage `json:"notification,omitempty"`

	State      notify.Status `json:"state,omitempty"`
	Reason     notify.Reason `json:"reason,omitempty"`
	RemovedAt  string        `json:"removed_at,omitempty"`
	ReplacedBy string        `json:"replaced_by,omitempty"`
	Topic      string        `json:"topic,omitempty"`
	From       uint64        `json:"from,omitempty"`
	To         uint64        `json:"to,omitempty"`
	LeftOut    bool          `json:"left_out,omitempty"`
	Time       string        `json:"time,omitempty"`
	Until      string        `json:"until,omitempty"`
	SeenAt     string        `json:"seen_at,omitempty"`
	ReadAt     string        `json:"read_at,omitempty"`
	ArchivedAt string        `json:"archived_at,omitempty"`
	Seen       []string      `json:"seen,omitempty"`
	Read       []string      `json:"read,omitempty"`
	Unread     []string      `json:"unread,omitempty"`
	Archived   []string      `json:"archived,omitempty"`
	Recalled   []string      `json:"recalled,omitempty"`
	Lines      *int          `json:"lines,omitempty"`

	Preferences json.RawMessage `json:"preferences,omitempty"`
}

// The first and the last line of an export.
const (
	exportBegin store.KeptKind = "user"
	exportEnd   store.KeptKind = "end"
)

// exportStall is the time that a client has to take each page of an export.
const exportStall = 30 * time.Second

// export serves GET /users/{user}/export. The answer is complete if it has the line of the kind
// exportEnd.
func (a *api) export(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	aim(c, string(user))
	page, err := a.Service.Export(c.Request().Context(), by, user, "")
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, "application/x-ndjson")
	c.Response().WriteHeader(http.StatusOK)
	control := http.NewResponseController(c.Response().Writer)
	lines := json.NewEncoder(c.Response())
	lines.SetEscapeHTML(false)
	written := 0
	write := func(l keptLine) error {
		written++
		return lines.Encode(l)
	}
	err = write(keptLine{Kind: exportBegin, User: user, Time: wire.Time(time.Now())})
	for err == nil {
		_ = control.SetWriteDeadline(time.Now().Add(exportStall)) // tests have writers without deadlines
		for i := range page.Kept {
			if err := write(lineOf(&page.Kept[i])); err != nil {
				return fmt.Errorf("write an export: %w", err)
			}
		}
		if page.Rest == "" {
			before := written
			return write(keptLine{Kind: exportEnd, Lines: &before})
		}
		page, err = a.Service.Export(c.Request().Context(), by, user, page.Rest)
	}
	return fmt.Errorf("export: %w", err)
}

func lineOf(k *store.Kept) keptLine {
	n := &k.Notification
	l := keptLine{
		Kind: k.Kind, ID: k.ID, Type: k.RemovedType, Topic: k.Topic, From: uint64(k.From), To: uint64(k.To), LeftOut: k.Hidden,
		State: k.Fate.Status, Reason: k.Fate.Reason, RemovedAt: moment(k.Fate.At), ReplacedBy: k.Fate.ReplacedBy,
		Time: moment(k.At), Until: moment(k.Until),
		Seen: k.Change.Seen, Read: k.Change.Read, Unread: k.Change.Unread, Archived: k.Change.Archived, Recalled: k.Change.Recalled,
	}
	if k.Kind == store.KeptPreferences {
		l.Preferences = wire.AppendPreferences(nil, &k.Preferences)
	}
	if len(n.Content) > 0 {
		l.Notification = wire.AppendNotification(nil, n)
		return l
	}
	l.SeenAt, l.ReadAt, l.ArchivedAt = moment(n.Seen), moment(n.Read), moment(n.Archived)
	if !n.Time.IsZero() {
		l.Time = wire.Time(n.Time)
	}
	return l
}

// eraseTimeout bounds an erasure. Most of its time goes into rewriting the files.
const eraseTimeout = 10 * time.Minute

// erase serves DELETE /users/{user}.
func (a *api) erase(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	aim(c, string(user))
	ctx, cancel := context.WithTimeout(c.Request().Context(), eraseTimeout)
	defer cancel()
	deadline := time.Now().Add(eraseTimeout + writeTimeout)
	_ = http.NewResponseController(c.Response().Writer).SetWriteDeadline(deadline) // tests have writers without deadlines
	if err := a.Service.Erase(ctx, by, user); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
