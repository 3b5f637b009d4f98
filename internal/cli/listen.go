package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type listenCommand struct {
	client

	Cursor string `placeholder:"CURSOR" help:"cursor to resume from, as --json prints it, or earliest for all stored notifications (default: new notifications only)"`
	JSON   bool   `help:"print each frame as JSON, one per line"`
}

// Run prints notifications until it is interrupted. If the connection ends, it
// connects again and resumes from the cursor, unless the close code forbids that.
func (c *listenCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	l := listener{t: t, url: "ws" + strings.TrimPrefix(base, "http") + "/ws", token: token, cursor: c.Cursor, json: c.JSON}
	if err = l.run(t.ctx); t.ctx.Err() == nil {
		return err
	}
	return nil // an interrupt is the normal end of this command
}

type listener struct {
	t      *terminal
	url    string
	token  string
	cursor string // of the last frame that was printed
	json   bool

	backoff backoff
}

// run returns when ctx ends, or after an error that forbids another connection.
func (l *listener) run(ctx context.Context) error {
	for {
		err := l.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		delay, reconnect := l.reconnect(err)
		if !reconnect {
			return err
		}
		l.t.note("%s; connecting again in %s", printable(err.Error()), delay.Round(100*time.Millisecond))
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// connect opens one connection and prints its events until it ends.
func (l *listener) connect(ctx context.Context) error {
	s, err := dial(ctx, l.url, l.token, l.cursor)
	if err != nil {
		return err
	}
	defer s.close()
	for {
		m, err := s.next(ctx)
		if err != nil {
			return err
		}
		if err := l.print(&m); err != nil {
			return &outputError{err}
		}
		if m.Cursor != "" {
			l.cursor = m.Cursor // after printing, so that an event that was not printed is delivered again
		}
		if m.Event == "live" {
			l.backoff.reset()
		}
	}
}

// outputError is a failure to print a frame, which another connection would not repair.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

func (l *listener) print(m *message) error {
	if l.json {
		return json.NewEncoder(l.t.stdout).Encode(m)
	}
	var data struct {
		User, Reason string // of welcome and reset
		notification
	}
	switch m.Event {
	case "notification", "welcome", "reset":
		if err := json.Unmarshal(m.Data, &data); err != nil {
			return fmt.Errorf("read a frame: %w", err)
		}
	}
	switch m.Event {
	case "notification":
		_, err := fmt.Fprintln(l.t.stdout, data.notification)
		return err
	case "welcome":
		l.t.note("connected as %s", printable(data.User))
	case "inbox":
		return l.printChange(m.Data)
	case "reset":
		l.t.note("reset (%s): %s", printable(data.Reason), resetText(data.Reason))
	}
	return nil
}

// resetText says what a reset means.
func resetText(reason string) string {
	if reason == "preferences" { // see asyncapi.yaml
		return "the preferences have changed what this user receives; the notifications that count now follow"
	}
	return "some notifications after the cursor are no longer stored; the stored ones follow"
}

// printChange prints which notifications were marked or recalled, on any device.
func (l *listener) printChange(data []byte) error {
	var change struct {
		Seen, Read, Unread, Archived, Recalled []string

		Count *int `json:"unread_count"`
	}
	if err := json.Unmarshal(data, &change); err != nil {
		return fmt.Errorf("read a frame: %w", err)
	}
	var done []string
	for _, c := range []struct {
		name string
		ids  []string
	}{{"seen", change.Seen}, {"read", change.Read}, {"unread again", change.Unread}, {"archived", change.Archived}, {"recalled", change.Recalled}} {
		if len(c.ids) > 0 {
			done = append(done, fmt.Sprintf("%d %s", len(c.ids), c.name))
		}
	}
	if change.Count != nil {
		done = append(done, fmt.Sprintf("%d unread in all", *change.Count))
	}
	l.t.note("inbox: %s", strings.Join(done, ", "))
	return nil
}

// notification has the members of a notification that listen prints.
type notification struct {
	Time, Type, Title, Body string

	Data    json.RawMessage
	URL     string
	Actions []action
}

func (n notification) String() string {
	parts := []string{n.Time, n.Type}
	if when, err := time.Parse(time.RFC3339, n.Time); err == nil {
		parts[0] = when.Local().Format(time.DateTime)
	}
	if n.Title != "" {
		parts = append(parts, n.Title)
	}
	if n.Body != "" {
		parts = append(parts, "– "+n.Body)
	}
	if len(n.Data) > 0 {
		parts = append(parts, string(n.Data))
	}
	if n.URL != "" {
		parts = append(parts, "→ "+n.URL)
	}
	for _, a := range n.Actions {
		parts = append(parts, "["+a.Title+" → "+a.URL+"]")
	}
	return printable(strings.Join(parts, "  "))
}

// reconnect reports whether to connect again after err, and after which delay. It
// follows the close codes of asyncapi.yaml, and treats refused handshakes alike.
func (l *listener) reconnect(err error) (delay time.Duration, reconnect bool) {
	var (
		output  *outputError
		closed  *closeError
		problem *problemError
	)
	switch {
	case errors.As(err, &output):
		return 0, false
	case errors.As(err, &closed):
		return l.afterClose(closed)
	case errors.As(err, &problem):
		return problem.retryAfter(l.backoff.next()), problem.isTemporary()
	default:
		return l.backoff.next(), true // a failure of the network
	}
}

func (l *listener) afterClose(closed *closeError) (time.Duration, bool) {
	switch closed.Code {
	case 1002, 1003, 1007, 1008, 1009: // a mistake of this client, which would happen again
		return 0, false
	case 4401, 4403: // the token is refused, and there is no other
		return 0, false
	case 4409: // replaced by a newer connection: reconnecting would close another one in turn
		return 0, false
	case 1012:
		return restartWait(closed.Reason), true
	default:
		return l.backoff.next(), true
	}
}

var restartReason = regexp.MustCompile(`^restart window=([0-9]{1,4})$`)

// restartWait returns a random part of the window that the service named.
func restartWait(reason string) time.Duration {
	window := 0
	if m := restartReason.FindStringSubmatch(reason); m != nil {
		window, _ = strconv.Atoi(m[1]) // up to four digits
	}
	return rand.N(time.Duration(window)*time.Second + 1) //nolint:gosec // not a secret
}
