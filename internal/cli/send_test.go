package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// service answers POST /notify from a list, one after another.
type node struct {
	*httptest.Server

	mu      sync.Mutex
	answers []answer
	asked   []asked
}

type answer struct {
	status     int
	retryAfter string
	body       string
}

type asked struct{ path, authorization, key, contentType, body string }

func serve(t *testing.T, answers ...answer) *node {
	t.Helper()
	s := &node{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, asked{
			r.Method + " " + r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"),
			r.Header.Get("Content-Type"), string(body),
		})
		a := s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
		if a.retryAfter != "" {
			w.Header().Set("Retry-After", a.retryAfter)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *node) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

const stored = `{"id":"0190","recipients":2,"duplicate":false}`

func TestSend(t *testing.T) {
	s := serve(t, answer{202, "", stored})
	got := bellhop(t, []string{"BELLHOP_TOKEN=tok.e.n"}, "send", "--url", s.URL+"/bell/", "--user", "ada", "--user", "o,k",
		"--type", "greeting", "--title", "Hi <you>", "--body", "there", "--data", `{"n": 12345678901234567890}`,
		"--ttl", "1h", "--priority", "high", "--key", "k1")
	got.want(t, 0, stored)
	want := asked{
		"POST /bell/notify", "Bearer tok.e.n", "k1", "application/json",
		`{"to":{"users":["ada","o,k"]},"type":"greeting","title":"Hi \u003cyou\u003e","body":"there",` +
			`"data":{"n":12345678901234567890},"ttl":3600,"priority":"high"}`,
	}
	if r := s.requests(); len(r) != 1 || r[0] != want {
		t.Errorf("asked %+v\nwant %+v", r, want)
	}
}

func TestSendToAll(t *testing.T) {
	s := serve(t, answer{202, "", stored})
	bellhop(t, nil, "send", "--url", s.URL, "--token", "t", "--all", "--type", "a", "--ephemeral").want(t, 0)
	if r := s.requests(); len(r) != 1 || r[0].body != `{"to":{"all":true},"type":"a","ephemeral":true}` || r[0].key == "" {
		t.Errorf("asked %+v", r)
	}
}

func TestSendWithEveryMember(t *testing.T) {
	s := serve(t, answer{202, "", stored})
	send := []string{"send", "--url", s.URL, "--token", "t", "--type", "a"}
	bellhop(t, nil, append(send, "--topic", "project.7", "--topic", "a,b", "--except", "ada", "--except", "g,h",
		"--link", "/issues/42", "--action", "Reply=/issues/42?a=b#reply", "--action", "Mute, please=https://example.com",
		"--silent", "--receipt", "--collapse-key", "issue-42", "--deliver-at", "2026-12-01T09:00:00+01:00")...).want(t, 0)
	before := time.Now()
	bellhop(t, nil, append(send, "--all", "--except", "ada", "--deliver-at", "1h30m")...).want(t, 0)
	after := time.Now()
	want := `{"to":{"topics":["project.7","a,b"],"except":["ada","g,h"]},"type":"a","url":"/issues/42",` +
		`"actions":[{"title":"Reply","url":"/issues/42?a=b#reply"},{"title":"Mute, please","url":"https://example.com"}],` +
		`"collapse_key":"issue-42","deliver_at":"2026-12-01T09:00:00+01:00","silent":true,"receipt":true}`
	r := s.requests()
	if len(r) != 2 || r[0].body != want {
		t.Fatalf("asked %+v\nwant %s", r, want)
	}
	var later struct {
		DeliverAt time.Time `json:"deliver_at"`
	}
	err := json.Unmarshal([]byte(r[1].body), &later)
	at := later.DeliverAt.Add(-90 * time.Minute)
	if err != nil || at.Before(before.Truncate(0)) || at.After(after.Truncate(0)) {
		t.Errorf("asked %s (%v)", r[1].body, err)
	}
}

func TestSendRetriesWithOneKey(t *testing.T) {
	s := serve(t,
		answer{503, "0", `{"type":"urn:bellhop:problem:outcome-unknown","status":503}`},
		answer{409, "0", `{"type":"urn:bellhop:problem:in-progress","status":409}`},
		answer{429, "0", `{"type":"urn:bellhop:problem:limit","status":429}`},
		answer{202, "", stored},
	)
	bellhop(t, []string{"BELLHOP_URL=" + s.URL}, "send", "--token", "t", "--user", "ada", "--type", "a").
		want(t, 0, stored, "503 outcome-unknown", "409 in-progress", "429 limit")
	r := s.requests()
	if len(r) != 4 {
		t.Fatalf("asked %d times", len(r))
	}
	for _, again := range r[1:] {
		if again != r[0] || again.key == "" {
			t.Errorf("asked %+v, then %+v", r[0], again)
		}
	}
}

func TestSendGivesUp(t *testing.T) {
	s := serve(t, answer{503, "0", `{"type":"urn:bellhop:problem:unavailable","status":503,"detail":"the disk is full"}`})
	bellhop(t, nil, "send", "--url", s.URL, "--token", "t", "--user", "ada", "--type", "a").want(t, 1, "the disk is full")
	if n := len(s.requests()); n < 2 || n > 10 {
		t.Errorf("asked %d times", n)
	}
}

func TestSendShowsProblem(t *testing.T) {
	s := serve(t, answer{422, "", `{"type":"urn:bellhop:problem:invalid","title":"Invalid","status":422,` +
		`"detail":"the body breaks the rules","errors":[{"pointer":"/type","detail":"must be of A-Z\u001b[31m"}]}`})
	got := bellhop(t, nil, "send", "--url", s.URL, "--token", "very-secret-token", "--user", "ada", "--type", "a b")
	got.want(t, 1, "422 invalid: the body breaks the rules\n  /type must be of A-Z")
	if len(s.requests()) != 1 {
		t.Error("a request that can never succeed was repeated")
	}
	if strings.Contains(got.stdout+got.stderr, "very-secret-token") || strings.ContainsRune(got.stderr, '\x1b') {
		t.Errorf("output %q", got.stderr)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	other := serve(t, answer{202, "", stored})
	s := httptest.NewServer(http.RedirectHandler(other.URL+"/notify", http.StatusTemporaryRedirect))
	defer s.Close()
	bellhop(t, nil, "send", "--url", s.URL, "--token", "t", "--user", "ada", "--type", "a").want(t, 1, "307")
	if len(other.requests()) != 0 {
		t.Error("it followed a redirect")
	}
}

func TestSendUsage(t *testing.T) {
	const password = "hunter2"
	for name, args := range map[string][]string{
		"no user":      {"--token", "t", "--type", "a"},
		"ada and all":  {"--token", "t", "--type", "a", "--user", "ada", "--all"},
		"no token":     {"--type", "a", "--all"},
		"token":        {"--token", password + "\n", "--token", password + " x", "--type", "a", "--all"},
		"no type":      {"--token", "t", "--all"},
		"data":         {"--token", "t", "--type", "a", "--all", "--data", "[1]"},
		"ttl":          {"--token", "t", "--type", "a", "--all", "--ttl", "1500ms"},
		"user, topic":  {"--token", "t", "--type", "a", "--user", "ada", "--topic", "news"},
		"action":       {"--token", "t", "--type", "a", "--all", "--action", "Reply"},
		"deliver at":   {"--token", "t", "--type", "a", "--all", "--deliver-at", "tomorrow"},
		"in the past":  {"--token", "t", "--type", "a", "--all", "--deliver-at", "-1h"},
		"link as url":  {"--token", "t", "--type", "a", "--all", "--url", "/issues/42"},
		"priority":     {"--token", "t", "--type", "a", "--all", "--priority", "urgent"},
		"url":          {"--token", "t", "--type", "a", "--all", "--url", "localhost:8080"},
		"url password": {"--token", "t", "--type", "a", "--all", "--url", "http://u:" + password + "@localhost"},
	} {
		got := bellhop(t, nil, append([]string{"send"}, args...)...)
		if got.code != 2 || strings.Contains(got.stderr, password) {
			t.Errorf("%s: exit code %d: %s", name, got.code, got.stderr)
		}
	}
}
