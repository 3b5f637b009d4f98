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

// guarded starts a service that has every kind of lock: a shared secret and a
// public key, an issuer and an audience, and a list of origins.
func guarded(t *testing.T) (*service, *rsa.PrivateKey) {
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

// ask writes a request on a connection of its own and puts the answer into
// words.
func (s *service) ask(t *testing.T, request string) (word string, resp *http.Response) {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	written := make(chan struct{})
	go func() { // it may be long, and the answer may come before its end
		defer close(written)
		c.put(request)
	}()
	word, resp = c.answer(t)
	c.Close()
	<-written
	return word, resp
}

// answer reads the answer to a request.
func (c *socket) answer(t *testing.T) (word string, resp *http.Response) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	resp, err := http.ReadResponse(c.r, nil)
	require.NoError(t, err)
	return said(t, resp), resp
}

// requestCase is a request, or what is hostile about it, and what it is told.
type requestCase struct {
	name string
	send string
	want string // as said words it
}

// What a token of a case is worth, where that is more than nothing.
const (
	good      = "good"
	scopeless = "good, but not for publishing"
)

// all runs cases against one service. Whatever they bring, nobody else is
// harmed, and nothing of a token ends up in the log.
func all(t *testing.T, s *service, cases []requestCase, request func(c requestCase) string) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			word, resp := s.ask(t, request(c))
			require.Equal(t, c.want, word)
			challenge := resp.Header.Get("WWW-Authenticate")
			require.Equal(t, strings.HasPrefix(word, "401") || word == "403 scope", strings.HasPrefix(challenge, "Bearer"), challenge)
			s.unharmed(t)
		})
	}
	require.NotContains(t, s.log.String(), "panic")
	for line := range strings.Lines(s.log.String()) {
		require.False(t, slices.ContainsFunc([]byte(strings.TrimSuffix(line, "\n")), func(b byte) bool { return b < ' ' || b == 0x7F }), "%q", line)
	}
}

// TestTokens offers every token at each of the places where one may be.
func TestTokens(t *testing.T) {
	s, key := guarded(t)
	cases := tokens(t, key)
	doors := map[string]func(requestCase) string{
		"publish": func(c requestCase) string {
			return s.posting(c.send, "/notify", "Content-Type: application/json\r\n", draft)
		},
		"header": func(c requestCase) string { return s.handshake(c.send, "") },
		"subprotocol": func(c requestCase) string {
			return "GET /ws HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: bellhop.v1, bearer." + c.send + "\r\n" + upgrade + "\r\n"
		},
	}
	for door, request := range doors {
		t.Run(door, func(t *testing.T) {
			of := slices.Clone(cases)
			for i := range of {
				of[i].want = atDoor(door, of[i])
			}
			all(t, s, of, request)
		})
	}
	for _, c := range cases {
		if signature := c.send[strings.LastIndex(c.send, ".")+1:]; len(signature) > 20 {
			require.NotContains(t, s.log.String(), signature, c.name)
		}
	}
}

// atDoor is what a case is told at a door: the same everywhere, but that a good
// token opens, and one without the scope opens all but one.
func atDoor(door string, c requestCase) string {
	switch {
	case c.want == scopeless && door == "publish":
		return "403 scope"
	case c.want == good && door == "publish":
		return "202"
	case c.want == good || c.want == scopeless:
		return "101"
	case c.send == "" && door == "subprotocol":
		return "400 malformed" // bearer. and nothing
	}
	return c.want
}

// posting is a request with a body and these headers besides the token.
func (s *service) posting(token, path, headers, body string) string {
	var b bytes.Buffer
	b.WriteString("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + headers)
	if !strings.Contains(headers, "Transfer-Encoding") && !strings.Contains(headers, "Content-Length") {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// draft is a good body of POST /notify, for a user who is not there.
const draft = `{"to":{"users":["nobody"]},"type":"t"}`

func TestOrigins(t *testing.T) {
	s, _ := guarded(t)
	token := s.token("mallory")
	all(t, s, origins(), func(c requestCase) string {
		return "GET /ws HTTP/1.1\r\nHost: app.example.com\r\nAuthorization: Bearer " + token + "\r\n" + c.send + upgrade + "\r\n"
	})
}

func TestHeads(t *testing.T) {
	s, _ := guarded(t)
	fill := strings.NewReplacer("{token}", s.backend(), "{reader}", s.token("mallory"), "{draft}", draft, "{upgrade}", upgrade)
	all(t, s, heads(), func(c requestCase) string { return fill.Replace(c.send) })
}

func TestBodies(t *testing.T) {
	s, _ := guarded(t)
	token := s.backend()
	all(t, s, bodies(), func(c requestCase) string {
		headers, body, found := strings.Cut(c.send, "\r\n\r\n")
		if !found {
			headers, body = "Content-Type: application/json", c.send
		}
		return s.posting(token, "/notify", headers+"\r\n", body)
	})
}
