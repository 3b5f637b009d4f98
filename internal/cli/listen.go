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

	Cursor string `placeholder:"CURSOR" help:"where to resume: a cursor that --json printed, or earliest for all that is kept (default: from now)"`
	JSON   bool   `help:"print every frame as it came, a line each"`
}

// Run prints what arrives until it is interrupted. A connection that ends is
// made again and resumes from its cursor, where the service lets it come back.
func (c *listenCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	l := listener{t: t, url: "ws" + strings.TrimPrefix(base, "http") + "/ws", token: token, cursor: c.Cursor, json: c.JSON}
	if err = l.run(t.ctx); t.ctx.Err() == nil {
		return err
	}
	return nil // interrupted, as everybody does in the end
}

type listener struct {
	t      *terminal
	url    string
	token  string
	cursor string // of the last frame that was printed
	json   bool

	wait backoff
}

// run returns when ctx ends or the service does not want the connection back.
func (l *listener) run(ctx context.Context) error {
	for {
		err := l.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		after, again := l.comeBack(err)
		if !again {
			return err
		}
		l.t.tell("%s; connecting again in %s", printable(err.Error()), after.Round(100*time.Millisecond))
		if err := sleep(ctx, after); err != nil {
			return err
		}
	}
}

// connect prints what one connection brings, until it ends.
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
			l.cursor = m.Cursor // only now: what was not printed comes again
		}
		if m.Event == "live" {
			l.wait.reset()
		}
	}
}

// outputError is a failure to print a frame: no other connection would mend it.
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
		l.t.tell("connected as %s", printable(data.User))
	case "inbox":
		return l.printChange(m.Data)
	case "reset":
		l.t.tell("what came after the cursor cannot be told in full (%s); what is kept follows", printable(data.Reason))
	}
	return nil
}

// printChange says what was done to notifications, here or elsewhere.
func (l *listener) printChange(data []byte) error {
	var change struct {
		Read, Unread, Archived, Recalled []string

		Count *int `json:"unread_count"`
	}
	if err := json.Unmarshal(data, &change); err != nil {
		return fmt.Errorf("read a frame: %w", err)
	}
	var done []string
	for _, did := range []struct {
		what string
		ids  []string
	}{{"read", change.Read}, {"unread again", change.Unread}, {"archived", change.Archived}, {"recalled", change.Recalled}} {
		if len(did.ids) > 0 {
			done = append(done, fmt.Sprintf("%d %s", len(did.ids), did.what))
		}
	}
	if change.Count != nil {
		done = append(done, fmt.Sprintf("%d unread in all", *change.Count))
	}
	l.t.tell("inbox: %s", strings.Join(done, ", "))
	return nil
}

// notification is what listen shows to people.
type notification struct {
	Time, Type, Title, Body string

	Data json.RawMessage
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
	return printable(strings.Join(parts, "  "))
}

// comeBack says whether to connect again after err, and when: what the
// contract's table of close codes says, and as much for a refused handshake.
func (l *listener) comeBack(err error) (after time.Duration, again bool) {
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
		return problem.retryAfter(l.wait.next()), problem.passing()
	default:
		return l.wait.next(), true // the network
	}
}

func (l *listener) afterClose(closed *closeError) (time.Duration, bool) {
	switch closed.Code {
	case 1002, 1003, 1007, 1008, 1009: // our fault, and it would be again
		return 0, false
	case 4401, 4403: // this token will not do, and there is no other
		return 0, false
	case 4409: // another took the place: two would take it from each other for ever
		return 0, false
	case 1012:
		return restartWait(closed.Reason), true
	default:
		return l.wait.next(), true
	}
}

var restartReason = regexp.MustCompile(`^restart window=([0-9]{1,4})$`)

// restartWait returns a random part of the window that the service named.
func restartWait(reason string) time.Duration {
	window := 0
	if m := restartReason.FindStringSubmatch(reason); m != nil {
		window, _ = strconv.Atoi(m[1]) // up to four digits
	}
	return rand.N(time.Duration(window)*time.Second + 1) //nolint:gosec // no secret hangs on it
}
