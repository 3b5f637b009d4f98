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

// The flood comes on so many connections, so many requests at a time.
const (
	flooders = 20
	volley   = 5
)

// Bad tokens, half of them of keys that nobody knows, are all refused. They
// have the issuer asked for its keys twice at most, at the start and for the
// first unknown one of 30 s, and those who have a good token are served
// meanwhile.
func TestAttackBadTokens(t *testing.T) {
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

	rate, seconds := might(10_000, 1_000), might(20, 2)
	every := time.Second * flooders * volley / time.Duration(rate)
	volleys := int(time.Duration(seconds) * time.Second / every)
	var refused atomic.Int64
	var flood sync.WaitGroup
	t.Cleanup(flood.Wait) // after the connections are closed
	began := time.Now()
	for i := range flooders {
		c := s.dial(t)
		flood.Go(func() {
			for n := range volleys {
				until(began.Add(time.Duration(n) * every))
				for k := range volley {
					c.put(badRequest(i, n*volley+k))
				}
				for range volley {
					word, err := c.refusal()
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
	good := s.goodMeanwhile(t, over, signed(t, key))
	took := time.Since(began)

	require.EqualValues(t, flooders*volleys*volley, refused.Load())
	windows := int32(took / (30 * time.Second)) // on a busy machine, 20 s may take longer
	require.LessOrEqual(t, fetches.Load(), 2+windows)
	s.hears(t)
	figure(t, fmt.Sprintf("%d bad tokens a second for %d s, with a JWKS URL", rate, seconds),
		"%.0f/s refused, all with 401; keys fetched %d times; 202 to good publishes, from when they were due: p50 %.1f ms, p99 %.1f ms, longest %.1f ms, %d times",
		float64(refused.Load())/took.Seconds(), fetches.Load(),
		milliseconds(good.quantile(0.5)), milliseconds(good.quantile(0.99)), milliseconds(good.quantile(1)), len(good))
}

// until waits for a time, if that is still to come.
func until(due time.Time) {
	if wait := time.Until(due); wait > 0 {
		<-time.After(wait)
	}
}

// badRequest is a publish with a token like no other: of an unknown key, with a
// wrong signature of the known key or of a secret, or no token at all.
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

// refusal reads the status of an answer.
func (c *socket) refusal() (status string, err error) {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "", err
	}
	_, err = c.r.Discard(int(resp.ContentLength))
	return fmt.Sprint(resp.StatusCode), err
}

// signed is a good token of an issuer's key.
func signed(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	signed := encode(`{"alg":"RS256","kid":"known"}`) + "." + encode(claims(nil))
	return signed + "." + encode(signRS256(t, key, signed))
}

// goodMeanwhile publishes fifty times a second until over, and returns how long
// it took each time from when it was due.
func (s *service) goodMeanwhile(t *testing.T, over <-chan struct{}, token string) waits {
	t.Helper()
	var took waits
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
		status, err := c.refusal()
		require.NoError(t, err)
		require.Equal(t, "202", status)
		took = append(took, time.Since(due))
	}
}
