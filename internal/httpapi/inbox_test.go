package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// inbox gives every request the same answer and keeps the requests.
type inbox struct {
	page   wire.InboxPage
	counts notify.Counts
	err    error
	wait   bool // Mark waits until its context ends

	mu        sync.Mutex
	by        []notify.UserID
	queries   []service.Query
	filters   []notify.Filter
	groupings []notify.Grouping
	grouped   notify.GroupedCounts
	verbs     []notify.Verb
	marks     []wire.Selection
	recalled  []string
	traced    []string
	trace     service.Trace
	removed   service.RemovedPage
}

func (b *inbox) List(_ context.Context, by notify.Principal, q service.Query) (wire.InboxPage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by, b.queries = append(b.by, by.User), append(b.queries, q)
	return b.page, b.refusal(by)
}

func (b *inbox) Counts(_ context.Context, by notify.Principal, f notify.Filter, grouping notify.Grouping) (notify.GroupedCounts, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.filters, b.groupings = append(b.filters, f), append(b.groupings, grouping)
	return b.grouped, b.refusal(by)
}

func (b *inbox) Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (notify.Counts, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by, b.verbs, b.marks = append(b.by, by.User), append(b.verbs, verb), append(b.marks, which)
	if b.wait {
		<-ctx.Done()
		return notify.Counts{}, notify.Errorf(notify.ErrOutcomeUnknown, "late")
	}
	return b.counts, b.refusal(by)
}

func (b *inbox) refusal(by notify.Principal) error {
	if by.User == "" {
		return notify.Errorf(notify.ErrScope, "an inbox is for a user")
	}
	return b.err
}

func (b *inbox) ListOf(ctx context.Context, by notify.Principal, u notify.UserID, q service.Query) (wire.InboxPage, error) {
	if err := isOperator(by); err != nil {
		return wire.InboxPage{}, err
	}
	return b.List(ctx, notify.Principal{User: u}, q)
}

func (b *inbox) RemovedOf(_ context.Context, by notify.Principal, u notify.UserID, q service.Query) (service.RemovedPage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by, b.queries = append(b.by, u), append(b.queries, q)
	return b.removed, isOperator(by)
}

func (b *inbox) Trace(_ context.Context, by notify.Principal, id string, user notify.UserID) (service.Trace, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.traced = append(b.traced, by.Name+" "+id+" "+string(user))
	return b.trace, b.err
}

func (b *inbox) Recall(_ context.Context, by notify.Principal, id string) error {
	if err := isOperator(by); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recalled = append(b.recalled, id)
	return b.err
}

var asAda = []string{"Authorization", "Bearer good"}

func TestListingAnInbox(t *testing.T) {
	s := start(t)
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	s.inbox.page = wire.InboxPage{
		Items: []wire.InboxItem{{
			Notification: notify.Notification{
				Time: at, Audience: notify.AudienceAll, Expires: at.Add(time.Hour),
				Content: []byte(`"id":"` + id + `","type":"t","priority":"low"`),
			},
			Cursor: "c1",
		}},
		Counts: notify.Counts{Unread: 7, Unseen: 5}, Cursor: "c2", Next: "c1",
	}
	a := s.do("GET", "/inbox", "", asAda...)
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	require.JSONEq(t, `{"items":[{"id":"`+id+`","type":"t","priority":"low","time":"2026-12-01T09:00:00.000Z","audience":"all",`+
		`"expires_at":"2026-12-01T10:00:00.000Z","cursor":"c1"}],"unread_count":7,"unseen_count":5,"cursor":"c2","next":"c1"}`, string(a.body))
	require.Equal(t, []notify.UserID{"ada"}, s.inbox.by)

	s.inbox.page = wire.InboxPage{Cursor: "c"}
	a = s.do("GET", "/inbox", "", asAda...)
	require.Equal(t, `{"items":[],"unread_count":0,"unseen_count":0,"cursor":"c"}`, string(a.body))
}

func TestInboxQueries(t *testing.T) {
	s := start(t)
	for query, want := range map[string]service.Query{
		"":                       {Limit: 50},
		"?limit=1":               {Limit: 1},
		"?limit=100&before=c-_9": {Limit: 100, Before: "c-_9"},
		"?state=unread":          {Limit: 50, Filter: notify.Filter{State: notify.StateUnread}},
		"?state=read":            {Limit: 50, Filter: notify.Filter{State: notify.StateRead}},
		"?state=archived":        {Limit: 50, Filter: notify.Filter{State: notify.StateArchived}},
		"?state=all":             {Limit: 50, Filter: notify.Filter{State: notify.StateAll}},
		"?state=all&before=":     {Limit: 50, Filter: notify.Filter{State: notify.StateAll}},
	} {
		s.inbox.page.Cursor = "c"
		a := s.do("GET", "/inbox"+query, "", asAda...)
		require.Equal(t, 200, a.StatusCode, "%s: %s", query, a.body)
		require.Equal(t, want, s.inbox.queries[len(s.inbox.queries)-1], query)
	}
	asked := len(s.inbox.queries)
	for _, query := range []string{
		"limit=0", "limit=101", "limit=-1", "limit=1.5", "limit=1e1", "limit=%2B1", "limit=ten", "limit=99999999999999999999", "limit=1&limit=1",
		"state=inbox", "state=Unread", "state=unread&state=read", "before=a&before=a", "state=%zz", "a;b",
		"colour=green", "Limit=1", "ticket=x", "cursor=x",
	} {
		s.problem(s.do("GET", "/inbox?"+query, "", asAda...), 400, "malformed")
	}
	require.Len(t, s.inbox.queries, asked)
}

func TestMarking(t *testing.T) {
	s := start(t)
	s.inbox.counts = notify.Counts{Unread: 3, Unseen: 1}
	for body, want := range map[string]wire.Selection{
		`{"ids":["` + id + `","none of ours"]}`: {IDs: []string{id}},
		`{"through":"c-_9"}`:                    {Through: "c-_9"},
		`{"all":true}`:                          {All: true},
	} {
		for path, verb := range map[string]notify.Verb{
			"/inbox/seen": notify.VerbSeen, "/inbox/read": notify.VerbRead, "/inbox/unread": notify.VerbUnread, "/inbox/archive": notify.VerbArchive,
		} {
			a := s.do("POST", path, body)
			require.Equal(t, 200, a.StatusCode, "%s", a.body)
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			require.Equal(t, `{"unread_count":3,"unseen_count":1}`, string(a.body))
			last := len(s.inbox.marks) - 1
			require.Equal(t, want, s.inbox.marks[last])
			require.Equal(t, verb, s.inbox.verbs[last])
			require.Equal(t, notify.UserID("ada"), s.inbox.by[last])
		}
	}
	asked := len(s.inbox.marks)
	for body, pointer := range map[string]string{`{}`: "", `{"ids":[]}`: "/ids", `{"ids":[1]}`: "/ids/0", `{"all":false}`: "/all", `{"user":"grace"}`: "/user"} {
		p := s.problem(s.do("POST", "/inbox/read", body), 422, "invalid")
		require.Equal(t, pointer, p.Errors[0].Pointer, body)
	}
	s.problem(s.do("POST", "/inbox/read", `{"all":true,"all":true}`), 400, "malformed")
	s.problem(s.do("POST", "/inbox/read", `{"all":true}`, "Content-Type", "text/plain"), 415, "media-type")
	s.problem(s.do("POST", "/inbox/read", `{"through":"`+strings.Repeat("x", 64<<10)+`"}`), 413, "too-large")
	require.Len(t, s.inbox.marks, asked)

	s.inbox.err = notify.Invalid(notify.Fault{Pointer: "/through", Detail: "is no cursor"})
	require.Equal(t, "/through", s.problem(s.do("POST", "/inbox/read", `{"through":"x"}`), 422, "invalid").Errors[0].Pointer)
	s.inbox.err = notify.ErrUnavailable
	require.NotEmpty(t, s.do("POST", "/inbox/read", `{"all":true}`).Header.Get("Retry-After"))
}

// A page may mark and leave: the mark is under way, for ten seconds at most.
func TestMarkingOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeService(t)
		s.inbox.wait = true
		h := httpapi.NewAPI(s.options()).Public()
		gone, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(gone, "POST", "/inbox/read", strings.NewReader(`{"all":true}`))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		begun := time.Now()
		h.ServeHTTP(w, r)
		require.Equal(t, 10*time.Second, time.Since(begun)) // of the bubble's clock
		require.Contains(t, w.Body.String(), "urn:bellhop:problem:outcome-unknown")
	})
}

func TestOnlyUsersHaveAnInbox(t *testing.T) {
	s := start(t)
	s.inbox.page.Cursor = "c"
	for _, do := range []func(...string) answer{
		func(h ...string) answer { return s.do("GET", "/inbox", "", h...) },
		func(h ...string) answer { return s.do("POST", "/inbox/archive", `{"all":true}`, h...) },
	} {
		s.problem(do("Authorization", ""), 401, "unauthenticated")
		s.problem(do("Authorization", "Bearer expired"), 401, "token-expired")
		s.problem(do("Authorization", "Bearer bhk_key"), 403, "scope")
		require.Equal(t, page, do("Authorization", "Bearer good", "Origin", page).Header.Get("Access-Control-Allow-Origin"))
	}
	s.inbox.err = errors.New("secret")
	a := s.do("GET", "/inbox", "", asAda...)
	s.problem(a, 500, "internal")
	require.NotContains(t, string(a.body), "secret")
}

func TestInboxRequestsAreRateLimited(t *testing.T) {
	s := start(t, func(o *httpapi.Options) {
		once := limit.New(notify.Rate{Name: "requests", Quota: 1, Window: time.Hour}, 1)
		o.Requests = &limit.Principals{Users: once, Backends: once}
	})
	s.inbox.page.Cursor = "c"
	require.Equal(t, 200, s.do("GET", "/inbox", "", asAda...).StatusCode)
	s.problem(s.do("POST", "/inbox/read", `{"all":true}`), 429, "limit")
}

func TestRecall(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer admin"}
	require.Equal(t, 204, s.do("DELETE", "/notifications/"+id, "", admin...).StatusCode)
	require.Equal(t, []string{id}, s.inbox.recalled)
	s.problem(s.do("DELETE", "/notifications/"+id, "", asAda...), 403, "scope")
	s.problem(s.do("DELETE", "/notifications/"+id, ""), 401, "unauthenticated")
	require.Len(t, s.inbox.recalled, 1)
	s.inbox.err = notify.Errorf(notify.ErrNotFound, "no such notification")
	s.problem(s.do("DELETE", "/notifications/"+id, "", admin...), 404, "not-found")
	s.inbox.err = notify.Errorf(notify.ErrOutcomeUnknown, "late")
	s.problem(s.do("DELETE", "/notifications/"+id, "", admin...), 503, "outcome-unknown")
	s.problem(s.do("DELETE", "/notifications/", "", admin...), 404, "not-found")
}

// Pages that a user does not read take memory within its share: others are
// answered, and so is the user once they are gone.
func TestUnreadInboxPagesAreLimited(t *testing.T) {
	s := start(t, func(o *httpapi.Options) { o.BodyBytes = 1 })
	s.inbox.page = wire.InboxPage{Cursor: "c", Items: []wire.InboxItem{{
		Notification: notify.Notification{
			Audience: notify.AudienceAll,
			Content:  []byte(`"id":"` + id + `","type":"t","priority":"low","title":"` + strings.Repeat("x", 128<<10) + `"`),
		},
		Cursor: "c",
	}}}
	var stalled []net.Conn
	list := func(token string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/inbox", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r) // not the one that knows how long a title may be
		require.NoError(t, err)
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		return answer.StatusCode
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for list("good") == 200 {
		conn := s.dial(t)
		stalled = append(stalled, conn)
		for range 64 { // more than the network takes of the answers
			_, err := io.WriteString(conn, "GET /inbox HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n")
			require.NoError(t, err)
		}
	}
	require.Equal(t, 200, list("grace"))
	hangUp(stalled)
	eventually(t, func() bool { return list("good") == 200 })
}
