package hostile

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// The flood uses a number of connections, each with a number of pipelined requests.
const (
	flooders = 20
	pipeline = 5
)

// Invalid tokens, half of them signed with unknown keys, are all refused. They make the
// service fetch the issuer's keys at most twice: at the start, and for the first unknown
// key within 30 s. Clients with a valid token are served meanwhile.
func TestAttackInvalidTokens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	var fetches atomic.Int32
	issuerKeys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "kid": "known", "alg": "RS256", "use": "sig",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		}}})
	}))
	defer issuerKeys.Close()
	s := start(t, func(c *config.Config) {
		c.JWKS, c.JWTIssuer, c.JWTAudience = issuerKeys.URL, issuer, audience
	})

	rate, seconds := scale(10_000, 1_000), scale(20, 2)
	every := time.Second * flooders * pipeline / time.Duration(rate)
	batches := int(time.Duration(seconds) * time.Second / every)
	var refused atomic.Int64
	var flood sync.WaitGroup
	t.Cleanup(flood.Wait) // runs after the connections are closed
	began := time.Now()
	for i := range flooders {
		c := s.dial(t)
		flood.Go(func() {
			for n := range batches {
				until(began.Add(time.Duration(n) * every))
				for k := range pipeline {
					c.put(badRequest(i, n*pipeline+k))
				}
				for range pipeline {
					word, err := c.status()
					if word != "401" || err != nil {
						t.Errorf("%s, %v", word, err)
						return
					}
					refused.Add(1)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { flood.Wait(); close(over) }()
	valid := s.publishUntil(t, over, signed(t, key))
	took := time.Since(began)

	require.EqualValues(t, flooders*batches*pipeline, refused.Load())
	windows := int32(took / (30 * time.Second)) // on a busy machine, 20 s may take longer
	require.LessOrEqual(t, fetches.Load(), 2+windows)
	s.notifyControl(t)
	figure(t, fmt.Sprintf("%d invalid tokens per second for %d s, with a JWKS URL", rate, seconds),
		"%.0f/s refused, all with 401; keys fetched %d times; meanwhile %d valid publishes were answered with 202, from their due time: p50 %.1f ms, p99 %.1f ms, at most %.1f ms",
		float64(refused.Load())/took.Seconds(), fetches.Load(), len(valid),
		milliseconds(valid.quantile(0.5)), milliseconds(valid.quantile(0.99)), milliseconds(valid.quantile(1)))
}

// until waits until a time.
func until(due time.Time) {
	if wait := time.Until(due); wait > 0 {
		<-time.After(wait)
	}
}

// badRequest returns a publish with a distinct invalid token: it has an unknown key, or a
// wrong signature of the known key or of the secret, or is not a token.
func badRequest(flooder, n int) string {
	id := fmt.Sprintf("%d-%d", flooder, n)
	rest := "." + encode(claims(map[string]any{"jti": id})) + "." + encode(strings.Repeat("\x5A", 256))
	var token string
	switch n % 4 {
	case 0, 1:
		token = encode(`{"alg":"RS256","kid":"`+id+`"}`) + rest
	case 2:
		token = encode(`{"alg":"RS256","kid":"known"}`) + rest
	default:
		token = encode(`{"alg":"HS256"}`) + rest
	}
	return "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: Bearer " + token + "\r\n\r\n"
}

// status reads a response and returns its status.
func (c *socket) status() (status string, err error) {
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "", err
	}
	_, err = c.r.Discard(int(resp.ContentLength))
	return fmt.Sprint(resp.StatusCode), err
}

// signed returns a valid token signed with an issuer's key.
func signed(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	signed := encode(`{"alg":"RS256","kid":"known"}`) + "." + encode(claims(nil))
	return signed + "." + encode(signRS256(t, key, signed))
}

// publishUntil publishes fifty times per second until over is closed. It returns the
// latency of each publish, from its due time.
func (s *service) publishUntil(t *testing.T, over <-chan struct{}, token string) latencies {
	t.Helper()
	var took latencies
	c := s.dial(t)
	request := s.posting(token, "/notify", "Content-Type: application/json\r\n", draft)
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(n) * 20 * time.Millisecond)
		until(due)
		select {
		case <-over:
			return took
		default:
		}
		c.put(request)
		status, err := c.status()
		require.NoError(t, err)
		require.Equal(t, "202", status)
		took = append(took, time.Since(due))
	}
}
