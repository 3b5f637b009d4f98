// Package audit writes the log lines that tell operators who changed what, and why a request
// was refused. Each has audit=true, the action and its outcome, and as far as they are known
// the principal and its issuer, the target, the reason, and the IDs of the request. A user whose
// token has no scope is no principal who acts for others: the attribute "user" has it in place of
// "principal", and package telemetry writes it as a hash.
//
// A line has no token, ticket, key or text of a notification, and each of its values has a
// bounded length. Text from a caller is never a message or the name of an attribute.
package audit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// The outcomes of actions. Package telemetry limits the number of lines about those that were
// refused or failed, since callers without any permission can cause them.
const (
	outcomeDone    = "done"
	outcomePartly  = "partly" // done in part
	outcomeUnknown = "unknown"
	outcomeRefused = "refused"
	outcomeFailed  = "failed"
)

// The lengths to which values are cut, in bytes.
const (
	maxName   = 256
	maxReason = 512
)

// Line is the subject of a line.
type Line struct {
	// Action is the name of an operator's action, such as "recall", or the method and the
	// route of any other request.
	Action string

	By         notify.Principal // zero: the caller is not authenticated
	Target     string           // of the action; empty: it has none, or it is not known
	TargetUser notify.UserID    // in place of Target; it is a hash in the log unless a backend has named it
	Operates   bool             // the action changes something on behalf of an operator

	// IDs name the request: its ID, its connection, the address of its caller.
	IDs []slog.Attr
}

// Done logs that an action was carried out.
func Done(ctx context.Context, logger *slog.Logger, l Line) {
	logger.LogAttrs(ctx, slog.LevelInfo, "action carried out", l.attrs(outcomeDone)...)
}

// DoneInPart logs that an action was carried out in part, and the reason.
func DoneInPart(ctx context.Context, logger *slog.Logger, l Line, err error) {
	logger.LogAttrs(ctx, slog.LevelError, "action carried out in part", append(l.attrs(outcomePartly), slog.Any("reason", err))...)
}

// Metrics counts refusals.
type Metrics interface {
	// Refused is called with the name of the problem, with that of the rate if it is a limit, and with the
	// cause if the problem has several. All are from fixed sets.
	Refused(problem, limit string, cause notify.Cause)
}

// Refused logs that a request was refused with the problem of err, or has failed, and the
// reason: the detail that the caller receives, and the reason that it does not. An action of
// an operator that failed may have been carried out, or may still be. The refusal is counted
// whether or not the level of the log has the line; metrics may be nil.
func Refused(ctx context.Context, logger *slog.Logger, metrics Metrics, l Line, err error) {
	details := problem.Of(err)
	count(metrics, &details, err)
	if e, ok := errors.AsType[*notify.Error](err); ok && l.By.Name == "" {
		l.By.User = e.User
	}
	failed := details.Status == http.StatusInternalServerError
	outcome := outcomeRefused
	switch {
	case l.Operates && (failed || errors.Is(err, notify.ErrOutcomeUnknown)):
		outcome = outcomeUnknown
	case failed:
		outcome = outcomeFailed
	}
	attrs := append(l.attrs(outcome), slog.String("problem", details.Name()), slog.Int("status", details.Status))
	if failed { // a fault of the service, perhaps with the stack of a panic
		logger.LogAttrs(ctx, slog.LevelError, "request failed", append(attrs, slog.Any("reason", err))...)
		return
	}
	level := slog.LevelInfo
	if details.Status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	logger.LogAttrs(ctx, level, "request refused", append(attrs, slog.String("reason", reasonOf(err)))...)
}

func count(metrics Metrics, details *problem.Details, err error) {
	if metrics == nil {
		return
	}
	limit, cause := "", notify.Cause("")
	if e, ok := errors.AsType[*notify.Error](err); ok {
		cause = e.Cause
		if details.Status == http.StatusTooManyRequests {
			limit = e.Rate.Name
		}
	}
	metrics.Refused(details.Name(), limit, cause)
}

func (l *Line) attrs(outcome string) []slog.Attr {
	const most = 20
	attrs := append(make([]slog.Attr, 0, most),
		slog.Bool("audit", true), slog.String("action", l.Action), slog.String("outcome", outcome))
	attrs = append(attrs, Principal(l.By)...)
	backend := isNamed(&l.By)
	switch {
	case l.TargetUser != "" && !backend:
		attrs = append(attrs, slog.Any("target", l.TargetUser))
	case l.TargetUser != "" || l.Target != "":
		attrs = append(attrs, slog.String("target", cut(cmp.Or(string(l.TargetUser), l.Target), maxName)))
	}
	for _, id := range l.IDs {
		if id.Value.Kind() == slog.KindString {
			id.Value = slog.StringValue(cut(id.Value.String(), maxName))
		}
		attrs = append(attrs, id)
	}
	return attrs
}

// Principal returns the attributes with which the lines of this package, and those about publishes, name p:
// a backend or an operator by its name, and any other caller as Caller does.
func Principal(p notify.Principal) []slog.Attr {
	if !isNamed(&p) {
		return Caller(p)
	}
	return append([]slog.Attr{slog.String("principal", cut(p.Name, maxName))}, issuerOf(&p)...)
}

// isNamed reports whether lines name p instead of having a hash.
func isNamed(p *notify.Principal) bool { return p.Name != "" && p.IsBackend() }

// Caller returns the attributes with which lines other than those of this package name p: its
// user, as a value that package telemetry writes as a hash, and its issuer.
func Caller(p notify.Principal) []slog.Attr {
	var attrs []slog.Attr
	if p.User != "" {
		attrs = append(attrs, slog.Any("user", p.User))
	}
	return append(attrs, issuerOf(&p)...)
}

// issuerOf returns the attribute with the issuer of p's token, if that has a name.
func issuerOf(p *notify.Principal) []slog.Attr {
	if p.Issuer == nil || p.Issuer.Name == "" || p.Issuer.Name == notify.AnyIssuer {
		return nil
	}
	return []slog.Attr{slog.String("issuer", cut(p.Issuer.Name, maxName))}
}

// reasonOf returns the text of err as it may be logged: faults in a body without names that are
// the caller's own, and without anything that may be a token or a ticket.
func reasonOf(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*notify.Error](err); ok && len(e.Faults) > 0 {
		text = faults(e)
	}
	return cut(masked(text), maxReason)
}

// maxFaults is the number of faults that a line has.
const maxFaults = 3

// faults returns the kind of e and its first faults.
func faults(e *notify.Error) string {
	var b strings.Builder
	b.WriteString(e.Kind.Error() + ": ")
	for i, f := range e.Faults {
		switch {
		case i == maxFaults:
			b.WriteString("; and " + strconv.Itoa(len(e.Faults)-i) + " more")
			return b.String()
		case i > 0:
			b.WriteString("; ")
		}
		b.WriteString(pointer(f.Pointer) + " " + f.Detail)
	}
	return b.String()
}

// pointer returns a JSON pointer without the names that only a caller would choose: those
// inside data, and those that no member of the API resembles.
func pointer(p string) string {
	names := strings.Split(p, "/")
	for i, name := range names {
		switch {
		case i == 0:
		case !isMember(name):
			names[i] = "…"
		case name == "data" && len(names) > i+1:
			return strings.Join(names[:i+1], "/") + "/…"
		}
	}
	return strings.Join(names, "/")
}

// maxMember is the maximum length of a member's name that is logged.
const maxMember = 24

func isMember(name string) bool {
	return len(name) <= maxMember && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == ""
}

// minSecret is the length from which text is masked that may be a token, key or ticket. A UUID
// is shorter.
const minSecret = 40

// masked returns text with three stars instead of each long sequence of the characters that
// tokens and tickets consist of.
func masked(text string) string {
	var b strings.Builder
	from := 0
	for i := range len(text) + 1 {
		if i < len(text) && isTokenByte(text[i]) {
			continue
		}
		if i-from >= minSecret {
			b.WriteString("***")
		} else {
			b.WriteString(text[from:i])
		}
		if i < len(text) {
			b.WriteByte(text[i])
		}
		from = i + 1
	}
	return b.String()
}

func isTokenByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

// cut returns text, valid UTF-8, of at most so many bytes and an ellipsis. slog quotes all
// control characters but the one that is removed here.
func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x7f", "")
}
