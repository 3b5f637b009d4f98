package hostile

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

const (
	issuer   = "https://login.example.com"
	audience = "bellhop"
)

// startRestricted starts a service with every kind of restriction: a shared secret and a
// public key, an issuer and an audience, and a list of allowed origins.
func startRestricted(t *testing.T) (*service, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "public.pem")
	require.NoError(t, os.WriteFile(file, publicPEM(t, key), 0o600))
	s := start(t, func(c *config.Config) {
		c.JWTPublicKeyFile, c.JWTIssuer, c.JWTAudience = file, issuer, audience
		c.AllowedOrigins = []string{"https://app.example.com", "https://*.example.org", "https://xn--bcher-kva.example", "myapp://phone"}
	})
	return s, key
}

func publicPEM(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func signRS256(t *testing.T, key *rsa.PrivateKey, signed string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return string(signature)
}

// request sends a request on a new connection and returns the response, also as words of
// statusWords.
func (s *service) request(t *testing.T, request string) (word string, resp *http.Response) {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	written := make(chan struct{})
	go func() { // the response to a long request may arrive before its end
		defer close(written)
		c.put(request)
	}()
	word, resp = c.response(t)
	c.Close()
	<-written
	return word, resp
}

// response reads the response to a request.
func (c *socket) response(t *testing.T) (word string, resp *http.Response) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(timeout)))
	resp, err := http.ReadResponse(c.r, nil)
	require.NoError(t, err)
	return statusWords(t, resp), resp
}

// requestCase has a request, or the hostile part of one, and the expected response.
type requestCase struct {
	name string
	send string
	want string // in the words of statusWords
}

// Values of want for valid tokens, whose response depends on the request.
const (
	valid     = "valid"
	scopeless = "valid, without the scope to publish"
)

// runAll runs cases against one service. It checks that other clients are not disturbed
// and that the log has no control characters.
func runAll(t *testing.T, s *service, cases []requestCase, request func(c requestCase) string) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			word, resp := s.request(t, request(c))
			require.Equal(t, c.want, word)
			challenge := resp.Header.Get("WWW-Authenticate")
			require.Equal(t, strings.HasPrefix(word, "401") || word == "403 scope", strings.HasPrefix(challenge, "Bearer"), challenge)
			s.undisturbed(t)
		})
	}
	require.NotContains(t, s.log.String(), "panic")
	for line := range strings.Lines(s.log.String()) {
		require.False(t, slices.ContainsFunc([]byte(strings.TrimSuffix(line, "\n")), func(b byte) bool { return b < ' ' || b == 0x7F }), "%q", line)
	}
}

// TestTokens sends every token in each of the places where a token may be.
func TestTokens(t *testing.T) {
	s, key := startRestricted(t)
	cases := tokens(t, key)
	places := map[string]func(requestCase) string{
		"publish": func(c requestCase) string {
			return s.posting(c.send, "/notify", "Content-Type: application/json\r\n", draft)
		},
		"header": func(c requestCase) string { return s.handshake(c.send, "") },
		"subprotocol": func(c requestCase) string {
			return "GET /ws HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: bellhop.v1, bearer." + c.send + "\r\n" + upgrade + "\r\n"
		},
	}
	for place, request := range places {
		t.Run(place, func(t *testing.T) {
			of := slices.Clone(cases)
			for i := range of {
				of[i].want = wantAt(place, of[i])
			}
			runAll(t, s, of, request)
		})
	}
	for _, c := range cases {
		if signature := c.send[strings.LastIndex(c.send, ".")+1:]; len(signature) > 20 {
			require.NotContains(t, s.log.String(), signature, c.name)
		}
	}
}

// wantAt returns the expected response to the token of a case at a place. The response
// to a valid token depends on the place and on the scope; an invalid token is refused
// everywhere.
func wantAt(place string, c requestCase) string {
	switch {
	case c.want == scopeless && place == "publish":
		return "403 scope"
	case c.want == valid && place == "publish":
		return "202"
	case c.want == valid || c.want == scopeless:
		return "101"
	case c.send == "" && place == "subprotocol":
		return "400 malformed" // "bearer." without a token
	}
	return c.want
}

// posting returns a POST with a token, additional headers and a body.
func (s *service) posting(token, path, headers, body string) string {
	var b bytes.Buffer
	b.WriteString("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + headers)
	if !strings.Contains(headers, "Transfer-Encoding") && !strings.Contains(headers, "Content-Length") {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// draft is a valid body of POST /notify to a user who is not connected. It has as many
// bytes as lengthOfDraft says.
const draft = `{"to":{"users":["absent"]},"type":"t"}`

func TestOrigins(t *testing.T) {
	s, _ := startRestricted(t)
	token := s.token("mallory")
	runAll(t, s, origins(), func(c requestCase) string {
		return "GET /ws HTTP/1.1\r\nHost: app.example.com\r\nAuthorization: Bearer " + token + "\r\n" + c.send + upgrade + "\r\n"
	})
}

func TestMalformedRequestHeaders(t *testing.T) {
	s, _ := startRestricted(t)
	fill := strings.NewReplacer("{token}", s.backend(), "{reader}", s.token("mallory"), "{draft}", draft, "{upgrade}", upgrade)
	runAll(t, s, headers(), func(c requestCase) string { return fill.Replace(c.send) })
}

func TestBodies(t *testing.T) {
	s, _ := startRestricted(t)
	token := s.backend()
	runAll(t, s, bodies(), func(c requestCase) string {
		headers, body, found := strings.Cut(c.send, "\r\n\r\n")
		if !found {
			headers, body = "Content-Type: application/json", c.send
		}
		return s.posting(token, "/notify", headers+"\r\n", body)
	})
}
