package httpapi

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
)

// LogControl is the log of a service.
type LogControl interface {
	LogLevel() LogLevel
	SetLogLevel(level slog.Level, period time.Duration) LogLevel
	UserHash(u notify.UserID) string
}

// LogLevel is the answer of /log-level on the admin listener.
type LogLevel struct {
	Level      string    `json:"level"`          // in force
	Configured string    `json:"configured"`     // by BELLHOP_LOG_LEVEL
	Until      time.Time `json:"until,omitzero"` // when the configured level returns; absent: it is in force
}

// Bounds on the time for which a level other than the configured one holds: a log at debug
// level that is forgotten fills a disk.
const (
	levelPeriod    = 10 * time.Minute // if a request names none
	maxLevelPeriod = 24 * time.Hour
)

func (o *AdminOptions) logLevel(c echo.Context) error {
	if o.Log == nil {
		return notify.Errorf(notify.ErrNotFound, "the level of this log is fixed")
	}
	return answerNow(c, o.Log.LogLevel())
}

// setLogLevel serves PUT /log-level?level=debug&for=30m.
func (o *AdminOptions) setLogLevel(c echo.Context, reports *reports) error {
	if o.Log == nil {
		return notify.Errorf(notify.ErrNotFound, "the level of this log is fixed")
	}
	query, err := readQuery(c.Request().URL.RawQuery, "level", "for")
	if err != nil {
		return err
	}
	level, period, err := levelOf(query)
	if err == nil {
		err = o.checkNoBody(c)
	}
	if err != nil {
		return err
	}
	now := o.Log.SetLogLevel(level, period)
	line := reports.line(c, nil)
	line.Action, line.Target, line.Operates = "log-level", now.Level, true
	if !now.Until.IsZero() {
		line.Target += " until " + now.Until.UTC().Format(time.RFC3339)
	}
	audit.Done(c.Request().Context(), o.Logger, line)
	return answerNow(c, now)
}

func levelOf(query url.Values) (level slog.Level, period time.Duration, err error) {
	name := query.Get("level")
	known := false
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(name, l.String()) {
			level, known = l, true
		}
	}
	if !known {
		return 0, 0, notify.Errorf(notify.ErrMalformed, "level must be debug, info, warn or error")
	}
	period = levelPeriod
	if text := query.Get("for"); text != "" {
		period, err = time.ParseDuration(text)
	}
	if err != nil || period < time.Second || period > maxLevelPeriod {
		return 0, 0, notify.Errorf(notify.ErrMalformed, "for must be a duration from 1s to 24h, such as 10m")
	}
	return level, period, nil
}

// LogUser is the answer of /log-user on the admin listener.
type LogUser struct {
	User notify.UserID `json:"user"`
	Hash string        `json:"hash"` // that stands for the user in log lines
}

// logUser serves GET /log-user?user=ada. Its audit line has the hash alone: a log with lines that
// name the user beside the hash would undo it.
func (o *AdminOptions) logUser(c echo.Context, reports *reports) error {
	if o.Log == nil {
		return notify.Errorf(notify.ErrNotFound, "this log does not hash users")
	}
	query, err := readQuery(c.Request().URL.RawQuery, "user")
	if err != nil {
		return err
	}
	user, err := notify.ParseUser(query.Get("user"))
	if err != nil {
		return notify.Errorf(notify.ErrMalformed,
			`the query parameter user must have 1 to %d bytes without white space or control characters, and not be "." or ".."`, notify.MaxUserBytes)
	}
	found := LogUser{user, o.Log.UserHash(user)}
	line := reports.line(c, nil)
	line.Action, line.Target, line.Operates = "log-user", found.Hash, true
	audit.Done(c.Request().Context(), o.Logger, line)
	return answerNow(c, found)
}

// answerNow answers with a state that no cache may keep.
func answerNow(c echo.Context, state any) error {
	c.Response().Header()[echo.HeaderCacheControl] = noStore
	return c.JSON(http.StatusOK, state)
}
