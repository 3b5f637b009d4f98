package hub

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// compactPrincipal is a notify.Principal in less memory.
type compactPrincipal struct {
	user    notify.UserID
	issuer  *notify.Issuer
	name    string
	tokenID string
	grants  *grants // nil: none, as of most tokens
	since   moment
	expires moment
	issued  moment
}

// grants are what few tokens have.
type grants struct {
	scopes  []notify.Scope
	topics  []notify.TopicPattern
	ignored int // topics
}

// compact copies p, since its strings may be parts of a request or token.
func compact(p notify.Principal) compactPrincipal {
	h := compactPrincipal{
		user: cloneString(p.User), issuer: p.Issuer, name: cloneString(p.Name), tokenID: cloneString(p.TokenID),
		since: momentOf(p.Since), expires: momentOf(p.Expires), issued: momentOf(p.Issued),
	}
	if len(p.Scopes) > 0 || len(p.Topics) > 0 || p.TopicsIgnored > 0 {
		h.grants = &grants{cloneStrings(p.Scopes), cloneStrings(p.Topics), p.TopicsIgnored}
	}
	return h
}

func cloneString[T ~string](s T) T { return T(strings.Clone(string(s))) }

func cloneStrings[T ~string](all []T) []T {
	all = slices.Clone(all)
	for i, s := range all {
		all[i] = cloneString(s)
	}
	return all
}

func (h *compactPrincipal) expand() notify.Principal {
	p := notify.Principal{
		User: h.user, Issuer: h.issuer, Name: h.name, TokenID: h.tokenID, Topics: h.topics(),
		Since: h.since.time(), Expires: h.expires.time(), Issued: h.issued.time(),
	}
	if h.grants != nil {
		p.Scopes, p.TopicsIgnored = h.grants.scopes, h.grants.ignored
	}
	return p
}

// reader returns the Reader of expand, and takes less of the stack of its caller.
func (h *compactPrincipal) reader() notify.Reader {
	return notify.Reader{User: h.user, Since: h.since.time(), Topics: h.topics()}
}

// topics returns the topics that the principal receives in addition to its own notifications and
// broadcasts.
func (h *compactPrincipal) topics() []notify.TopicPattern {
	if h.grants == nil {
		return nil
	}
	return h.grants.topics
}

// isOf reports whether r revokes the token of h. For the ID of a token it makes no
// principal of h first, because that search looks at all connections.
func (h *compactPrincipal) isOf(r notify.Revocation) bool {
	if r.TokenID != "" {
		return h.tokenID == r.TokenID && r.IsOf(h.issuer)
	}
	return r.Concerns(h.expand())
}

// moment is a time in nanoseconds since 1970, cut to their range; 0 is the zero time.
type moment int64

func momentOf(t time.Time) moment {
	const reach = math.MaxInt64 / int64(time.Second) // seconds
	switch s := t.Unix(); {
	case t.IsZero():
		return 0
	case s >= reach:
		return math.MaxInt64
	case s <= -reach:
		return math.MinInt64
	case t.UnixNano() == 0:
		return 1 // a nanosecond later, since 0 is the zero time
	default:
		return moment(t.UnixNano())
	}
}

func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m)).UTC()
}
