package hostile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// stall sends the same beginning of a request on n new connections.
func (s *service) stall(t *testing.T, n int, request string) []*socket {
	t.Helper()
	all := make([]*socket, n)
	for i := range all {
		all[i] = s.dial(t)
		all[i].put(request)
	}
	return all
}

func closeAll(all []*socket) {
	for _, c := range all {
		c.Close()
	}
}

// as sends a request with a token and an optional body, and returns the status of the
// response in words.
func (s *service) as(t *testing.T, token, method, path, body string) string {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.public+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	return statusWords(t, resp)
}

// A request that is refused for its header is answered before its body arrives, and the
// connection is closed.
func TestRequestsAreRefusedBeforeTheirBodyArrives(t *testing.T) {
	s := start(t)
	for name, request := range map[string]string{
		"401 unauthenticated": "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"413 too-large":       "POST /notify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.backend() + "\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n{",
		"404 not-found":       "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		for _, c := range s.stall(t, 100, request) {
			word, resp := c.response(t)
			require.Equal(t, name, word)
			require.True(t, resp.Close)
			_, err := c.r.ReadByte()
			require.Error(t, err, "the connection must be closed")
		}
		s.undisturbed(t)
	}
}

// Request bodies of one user that never end must not block operators, publishers or other
// users.
func TestEndlessBodiesOfAUserBlockNoOthers(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Requests = 0 }) // without the rate limit, which would stop the attack earlier
	stalled := s.stall(t, 300, s.posting(s.token("mallory"), "/inbox/read",
		"Content-Type: application/json\r\nContent-Length: 65536\r\n", strings.Repeat(" ", 17<<10)))
	large := `{"all":true}` + strings.Repeat(" ", 60<<10)
	require.Equal(t, "200", s.as(t, s.token("ada"), "POST", "/inbox/read", large))
	require.Equal(t, "204", s.as(t, s.token("root", notify.ScopeAdmin), "POST", "/revocations", `{"jti":"one"}`+large[12:]))
	s.controlIsServed(t)
	closeAll(stalled)
	s.undisturbed(t)
}

// controlIsServed asserts that the control client receives notifications. Unlike
// undisturbed, it allows open connections of the case.
func (s *service) controlIsServed(t *testing.T) {
	t.Helper()
	for range 3 {
		s.notifyControl(t)
	}
}

// Request bodies with forged signatures that never end must not block the requests of a
// webhook with valid signatures.
func TestEndlessUnauthenticatedBodiesDoNotBlockWebhooks(t *testing.T) {
	key := strings.Repeat("k", 32)
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	require.NoError(t, os.WriteFile(file, []byte("- name: shop\n  secrets: [whsec_"+
		base64.StdEncoding.EncodeToString([]byte(key))+"]\n  scopes: [notify:publish]\n"), 0o600))
	s := start(t, func(c *config.Config) { c.WebhooksFile = file })
	now := strconv.FormatInt(time.Now().Unix(), 10)
	header := func(prefix, id, signature string, length int) string {
		return "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(length) + "\r\n" +
			prefix + "id: " + id + "\r\n" + prefix + "timestamp: " + now + "\r\n" + prefix + "signature: v1," + signature + "\r\n\r\n"
	}
	stalled := s.stall(t, 150, header("webhook-", "forged", "AAAA", 512<<10)+strings.Repeat(" ", 70<<10))
	for i, prefix := range []string{"webhook-", "svix-"} {
		id, body := fmt.Sprint("msg_", i), draft+strings.Repeat(" ", 100<<10)
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(id + "." + now + "." + body))
		word, _ := s.request(t, header(prefix, id, base64.StdEncoding.EncodeToString(mac.Sum(nil)), len(body))+body)
		require.Equal(t, "202", word)
	}
	s.controlIsServed(t)
	closeAll(stalled)
	s.undisturbed(t)
}

// Users whose many connections do not read a long history must not block others who list
// an inbox or resume.
func TestUnreadHistoriesBlockNoOthers(t *testing.T) {
	const users = 14
	s := start(t)
	var names []string
	for i := range users {
		names = append(names, fmt.Sprintf("%q", fmt.Sprint("mallory-", i)))
	}
	body := `{"to":{"users":["ada",` + strings.Join(names, ",") + `]},"type":"t","data":{"a":"` + strings.Repeat("x", 15<<10) + `"}}`
	for range scale(1_000, 64) {
		s.publish(t, body)
	}
	var stalled []*socket
	for i := range users {
		for range s.cfg.ConnectionsPerUser - 1 {
			c := s.dial(t)
			c.put(s.handshake(s.token(fmt.Sprint("mallory-", i)), "?cursor=earliest"))
			stalled = append(stalled, c)
		}
	}
	for range 10 {
		require.Equal(t, "200", s.as(t, s.token("ada"), "GET", "/inbox?limit=100", ""))
		require.Equal(t, "200", s.as(t, s.token("mallory-1"), "GET", "/inbox?limit=1", ""))
	}
	ada := s.dial(t)
	ada.upgrade(t, s.handshake(s.token("ada"), "?cursor=earliest"))
	for word := ""; word != "live"; word = ada.next(t) {
		require.NotEqual(t, "end", word)
	}
	s.controlIsServed(t)
	closeAll(stalled)
	ada.Close()
	s.undisturbed(t)
}

// A batch with topics of many dots, which match many patterns, is published like any
// other.
func TestTopicsOfManyDots(t *testing.T) {
	s := start(t)
	var topics, items []string
	for i := range notify.MaxTopics {
		topics = append(topics, fmt.Sprintf("%q", strings.Repeat(".", notify.MaxUserBytes-1)+fmt.Sprint(i)))
	}
	size := notify.MaxBatch
	if testing.Short() { // under the race detector the store checks everything it writes
		size /= 10
	}
	for range size {
		items = append(items, `{"to":{"topics":[`+strings.Join(topics, ",")+`]},"type":"t"}`)
	}
	for range scale(20, 3) {
		require.Equal(t, "202", s.post(t, "/notify/batch", `{"notifications":[`+strings.Join(items, ",")+`]}`))
		s.notifyControl(t)
	}
	s.undisturbed(t)
}

// A user who toggles read state as fast as possible receives 429 with Retry-After;
// others do not.
func TestTooManyRequestsOfAUserAreRefused(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Requests = 5 })
	mallory, limited := s.token("mallory"), 0
	for i := range 1_000 {
		verb := [...]string{"read", "unread"}[i%2]
		switch word := s.as(t, mallory, "POST", "/inbox/"+verb, `{"all":true}`); word {
		case "200":
		default:
			require.Equal(t, "429 limit", word)
			limited++
		}
		if limited > 3 {
			break
		}
	}
	require.NotZero(t, limited)
	require.Equal(t, "200", s.as(t, s.token("ada"), "POST", "/inbox/read", `{"all":true}`))
	s.undisturbed(t)
}
