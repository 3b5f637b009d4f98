package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
)

var ops = notify.Principal{User: "ada", Name: "user:ada", Issuer: &notify.Issuer{Name: "https://login.example.com"}, Scopes: []notify.Scope{notify.ScopeAdmin}}

// refused returns the line about a refusal.
func refused(t *testing.T, l audit.Line, err error) string {
	t.Helper()
	var b bytes.Buffer
	audit.Refused(t.Context(), slog.New(slog.NewTextHandler(&b, nil)), nil, l, err)
	return b.String()
}

func TestLinesHaveTheFieldsThatOperatorsSearchFor(t *testing.T) {
	var b bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&b, nil))
	l := audit.Line{Action: "recall", By: ops, Target: "0193", IDs: []slog.Attr{slog.String("request_id", "r1")}}
	audit.Done(t.Context(), logger, l)
	require.Contains(t, b.String(), `level=INFO msg="action carried out" audit=true action=recall outcome=done `+
		`principal=user:ada issuer=https://login.example.com target=0193 request_id=r1`)
	b.Reset()
	audit.DoneInPart(t.Context(), logger, audit.Line{Action: "reload"}, errors.New("a typo"))
	require.Contains(t, b.String(), `level=ERROR msg="action carried out in part" audit=true action=reload outcome=partly reason="a typo"`)
	require.Contains(t, refused(t, l, notify.Errorf(notify.ErrNotFound, "no notification has this id")),
		`level=INFO msg="request refused" audit=true action=recall outcome=refused principal=user:ada issuer=https://login.example.com `+
			`target=0193 request_id=r1 problem=not-found status=404 reason="not found: no notification has this id"`)
}

// A user whose token has no scope is written as a value that package telemetry replaces by a hash, and so is
// the user in the path, and the user of a token that is no longer accepted. Backends and operators are written
// in plain text, and so are the users that they name.
func TestOnlyBackendsAreNamedInPlainText(t *testing.T) {
	stranger := &notify.Error{Kind: notify.ErrTokenExpired, User: "ada"}
	for name, test := range map[string]struct {
		line                    audit.Line
		err                     error
		principal, user, target any
	}{
		"user":          {audit.Line{By: notify.Principal{User: "ada", Name: "user:ada"}, TargetUser: "bob"}, notify.ErrScope, nil, notify.UserID("ada"), notify.UserID("bob")},
		"token":         {audit.Line{TargetUser: "bob"}, stranger, nil, notify.UserID("ada"), notify.UserID("bob")},
		"nobody":        {audit.Line{TargetUser: "bob"}, notify.ErrUnauthenticated, nil, nil, notify.UserID("bob")},
		"operator":      {audit.Line{By: ops, TargetUser: "bob"}, notify.ErrScope, "user:ada", nil, "bob"},
		"key":           {audit.Line{By: notify.Principal{Name: "key:shop"}, TargetUser: "bob"}, notify.ErrScope, "key:shop", nil, "bob"},
		"refused token": {audit.Line{By: ops, Target: "0193"}, stranger, "user:ada", nil, "0193"}, // of a refresh
	} {
		t.Run(name, func(t *testing.T) {
			got := attrs{}
			audit.Refused(t.Context(), slog.New(got), nil, test.line, test.err)
			require.Equal(t, test.principal, got["principal"])
			require.Equal(t, test.user, got["user"])
			require.Equal(t, test.target, got["target"])
		})
	}
}

// An issuer without a name is that of the settings, and no line has it.
func TestAnIssuerWithoutANameIsLeftOut(t *testing.T) {
	by := ops
	by.Issuer = &notify.Issuer{Name: notify.AnyIssuer}
	require.NotContains(t, refused(t, audit.Line{By: by}, notify.ErrScope), "issuer")
	require.Len(t, audit.Caller(by), 1, "the user")
}

// attrs is a slog.Handler that keeps the attributes of a line.
type attrs map[string]any

func (attrs) Enabled(context.Context, slog.Level) bool { return true }
func (a attrs) WithAttrs([]slog.Attr) slog.Handler     { return a }
func (a attrs) WithGroup(string) slog.Handler          { return a }

func (a attrs) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		a[attr.Key] = attr.Value.Any()
		return true
	})
	return nil
}

// A stranger has no name in the log, and what it is not told is there.
func TestTheReasonIsMoreThanTheCallerReceives(t *testing.T) {
	line := refused(t, audit.Line{Action: "GET /inbox"}, fmt.Errorf("list: %w",
		&notify.Error{Kind: notify.ErrTokenExpired, Detail: "the token's exp has passed", Reason: "3m20s ago"}))
	require.Contains(t, line, `problem=token-expired status=401 reason="list: token expired: the token's exp has passed (3m20s ago)"`)
	require.NotContains(t, line, "principal")
	require.NotContains(t, line, "issuer")
}

// The outcome of an action that may have been carried out is unknown, so that its line is
// always written; anybody's request is refused or has failed.
func TestOutcomesOfFailures(t *testing.T) {
	for _, test := range []struct {
		err      error
		operates bool
		want     string
	}{
		{notify.ErrOutcomeUnknown, true, "level=WARN msg=\"request refused\" audit=true action=a outcome=unknown"},
		{notify.ErrOutcomeUnknown, false, "level=WARN msg=\"request refused\" audit=true action=a outcome=refused"},
		{notify.ErrUnavailable, true, "level=WARN msg=\"request refused\" audit=true action=a outcome=refused"},
		{errors.New("a fault"), true, "level=ERROR msg=\"request failed\" audit=true action=a outcome=unknown"},
		{errors.New("a fault"), false, "level=ERROR msg=\"request failed\" audit=true action=a outcome=failed"},
	} {
		require.Contains(t, refused(t, audit.Line{Action: "a", Operates: test.operates}, test.err), test.want)
	}
}

// Names of members that a caller has chosen may be the text of a notification.
func TestFaultsShowNoNamesOfTheCaller(t *testing.T) {
	fault := func(pointers ...string) error {
		var all []notify.Fault
		for _, p := range pointers {
			all = append(all, notify.Fault{Pointer: p, Detail: "is bad"})
		}
		return notify.Invalid(all...)
	}
	for want, err := range map[string]error{
		`reason="invalid: /to/users/0 is bad; /ttl is bad"`:            fault("/to/users/0", "/ttl"),
		`reason="invalid: /notifications/3/data/… is bad"`:             fault("/notifications/3/data/diagnosis/of"),
		`reason="invalid: /data is bad"`:                               fault("/data"),
		`reason="invalid: /… is bad; /to/… is bad"`:                    fault("/Your salary", "/to/anna@example.com"),
		`reason="invalid:  is bad; /a is bad; /b is bad; and 2 more"`:  fault("", "/a", "/b", "/c", "/d"),
		`reason="invalid: the body breaks the rules listed in errors"`: notify.Invalid(),
		`reason="malformed: the query parameter \"***\" is unknown"`:   notify.Errorf(notify.ErrMalformed, "the query parameter %q is unknown", strings.Repeat("k", 40)),
		`reason="malformed: of 0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10 and ***.***.s"`: notify.Errorf(notify.ErrMalformed,
			"of 0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10 and %s.%s.s", strings.Repeat("a", 50), strings.Repeat("b", 41)),
	} {
		require.Contains(t, refused(t, audit.Line{}, err), want)
	}
}

// Text of a caller stays inside its value, in both formats, and is cut.
func FuzzNoTextOfACallerAddsALine(f *testing.F) {
	f.Add("recall", "ada\nlevel=ERROR msg=\"forged\"", `x" audit=true outcome=done`)
	f.Add("\x00", "\u2028\u2029\x1b[2J", `{"audit":true}`)
	f.Add("=", strings.Repeat("ü", 4000), "\r\n\xff\xfe")
	f.Fuzz(func(t *testing.T, user, target, text string) {
		l := audit.Line{Action: "recall", By: notify.Principal{Name: user}, Target: target, TargetUser: notify.UserID(user)}
		err := notify.Invalid(notify.Fault{Pointer: "/" + text, Detail: text})
		var b bytes.Buffer
		audit.Refused(t.Context(), slog.New(slog.NewJSONHandler(&b, nil)), nil, l, err)
		var line map[string]any
		require.Equal(t, 1, strings.Count(b.String(), "\n"))
		require.NoError(t, json.Unmarshal(b.Bytes(), &line))
		require.Equal(t, "request refused", line["msg"])
		require.Equal(t, "refused", line["outcome"])
		require.Less(t, b.Len(), 10_000)
		b.Reset()
		audit.Refused(t.Context(), slog.New(slog.NewTextHandler(&b, nil)), nil, l, err)
		require.Equal(t, 1, strings.Count(b.String(), "\n"))
		require.Equal(t, b.Len()-1, strings.IndexFunc(b.String(), func(r rune) bool { return r < ' ' || r == 0x7f }))
		require.True(t, utf8.Valid(b.Bytes()))
		require.Less(t, b.Len(), 10_000)
	})
}

// counted is the labels of the refusals that are counted.
type counted []string

func (c *counted) Refused(problem, limit string, cause notify.Cause) {
	*c = append(*c, strings.Join(strings.Fields(problem+" "+limit+" "+string(cause)), " "))
}

// Several faults of the service have one problem, and so have several mistakes of tokens: the count has the cause, and that
// of an error around it.
func TestRefusalsAreCountedByLimitAndByCause(t *testing.T) {
	var all counted
	for _, err := range []error{
		notify.Unavailable(notify.CauseDiskFull, "the disk is nearly full"),
		fmt.Errorf("publish: %w", notify.Unavailable(notify.CauseQueueFull, "the queue is full")),
		notify.TokenInvalid(notify.CauseSignature, "the token's signature does not match"),
		&notify.Error{Kind: notify.ErrLimit, Rate: notify.Rate{Name: "publishes"}},
		&notify.Error{Kind: notify.ErrNotFound, Rate: notify.Rate{Name: "publishes"}},
		errors.New("a fault"),
	} {
		audit.Refused(t.Context(), slog.New(slog.DiscardHandler), &all, audit.Line{}, err)
	}
	require.Equal(t, counted{
		"unavailable disk-full", "unavailable queue-full", "token-invalid signature", "limit publishes", "not-found", "internal",
	}, all)
}
