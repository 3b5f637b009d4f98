//go:build linux

package guide

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

const draft = `{"to":{"users":["ada"]},"type":"test","title":"x"}`

// post posts JSON with headers, NAME and value in turn, and returns the status and the answer.
func (m *machine) post(path, body string, headers ...string) (status int, answer string) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, "http://"+m.public+path, strings.NewReader(body))
	require.NoError(m.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	return resp.StatusCode, string(text)
}

// withToken publishes with a token or an API key, and returns the status.
func (m *machine) withToken(token string) int {
	m.t.Helper()
	status, _ := m.post("/notify", draft, "Authorization", "Bearer "+token)
	return status
}

// signed publishes a webhook that is signed with a secret, and returns the status.
func (m *machine) signed(secret, id string) int {
	m.t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(m.t, err)
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, now, draft)
	status, _ := m.post("/notify", draft, "webhook-id", id, "webhook-timestamp", now,
		"webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return status
}

// eventually waits until a request is answered with a status, since files are read again after they
// have changed.
func eventually(t *testing.T, want int, request func() int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Equal(c, want, request()) }, timeout, 20*time.Millisecond)
}

// replaceKeys rotates a secret, an API key and the secret of a webhook, and renews a certificate. Each old
// key works until it is removed, and each new one from its addition on.
func replaceKeys(t *testing.T, c chapter) {
	m := newMachine(t)
	oldKey := m.sh("bellhop key new --name other --scope notify:publish --file api-keys.yaml > other.key; " +
		"bellhop key new --name billing --scope notify:publish --file api-keys.yaml")
	oldHook := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("w", 32)))
	m.write("webhooks.yaml", "- name: stripe\n  secrets: ["+oldHook+"]\n  scopes: [notify:publish]\n"+
		"- name: svix\n  secrets: ["+strings.Replace(oldHook, "d3d3", "eHh4", 1)+"]\n  scopes: [notify:publish]\n")
	settings, err := os.ReadFile(m.settings)
	require.NoError(t, err)
	m.write("bellhop.yaml", string(settings)+"api_keys_file: "+m.path("api-keys.yaml")+"\nwebhooks_file: "+m.path("webhooks.yaml")+"\n")
	m.set("SECRETS="+m.path("jwt-secrets"), "API_KEYS="+m.path("api-keys.yaml"), "WEBHOOKS="+m.path("webhooks.yaml"))
	m.start()

	old := token(t, "backend", notify.ScopePublish)
	m.run(c.next())
	signs := m.sh("bellhop token --user backend --scope notify:publish --jwt-secret-file jwt-secrets")
	eventually(t, http.StatusAccepted, func() int { return m.withToken(signs) })
	require.Equal(t, http.StatusAccepted, m.withToken(old), "the old secret verifies, too")
	m.run(c.next())
	eventually(t, http.StatusUnauthorized, func() int { return m.withToken(old) })
	require.Equal(t, http.StatusAccepted, m.withToken(signs))

	replaceLeaked(t, c.next())
	replacePublicKeys(t, c)

	m.run(c.next())
	newKey := m.sh("cat billing-2.key")
	eventually(t, http.StatusAccepted, func() int { return m.withToken(newKey) })
	require.Equal(t, http.StatusAccepted, m.withToken(oldKey), "the old key is valid, too")
	m.run(c.next())
	eventually(t, http.StatusUnauthorized, func() int { return m.withToken(oldKey) })
	require.Equal(t, http.StatusAccepted, m.withToken(newKey))
	require.Equal(t, http.StatusAccepted, m.withToken(m.sh("cat other.key")), "a key of another backend")

	oldHook = strings.Replace(oldHook, "d3d3", "eHh4", 1)
	newHook := strings.TrimSpace(m.run(c.next()))
	eventually(t, http.StatusAccepted, func() int { return m.signed(newHook, "new") })
	require.Equal(t, http.StatusAccepted, m.signed(oldHook, "old"), "the old secret is valid, too")
	m.run(c.next())
	eventually(t, http.StatusUnauthorized, func() int { return m.signed(oldHook, "late") })
	require.Equal(t, http.StatusAccepted, m.signed(newHook, "again"))

	renewCertificate(t, c)
}

// replaceLeaked replaces a secret on a machine of its own. Tokens of the old one are refused, and connections
// with them are closed.
func replaceLeaked(t *testing.T, b block) {
	t.Helper()
	m := newMachine(t)
	m.set("SECRETS=" + m.path("jwt-secrets"))
	m.start()
	old := token(t, "ada", notify.ScopePublish)
	require.Equal(t, http.StatusAccepted, m.withToken(old))
	m.begin("exec bellhop listen --token " + old + " > listen.log 2>&1")
	m.waitFor("cat listen.log", "connected as ada")
	m.run(b)
	require.Equal(t, http.StatusUnauthorized, m.withToken(old))
	require.Contains(t, m.sh("bellhop metrics bellhop_connections"), `bellhop_connections{transport="websocket"} 0`)
	require.Equal(t, http.StatusAccepted, m.withToken(m.sh("bellhop token --user backend --scope notify:publish --jwt-secret-file jwt-secrets")))
}

// replacePublicKeys adds a public key, with which tokens of both keys are accepted, and removes the old one.
func replacePublicKeys(t *testing.T, c chapter) {
	t.Helper()
	m := newMachine(t, "jwt_issuer: https://login.example.com", "jwt_audience: bellhop")
	m.sh("sed -i /^jwt_secret_file:/d bellhop.yaml; echo jwt_public_key_file: " + m.path("keys.pem") + " >> bellhop.yaml")
	m.set("PUBLIC_KEYS=" + m.path("keys.pem"))
	old, renewed := m.signer("keys.pem"), m.signer("new.pem")
	m.start()
	require.Equal(t, http.StatusAccepted, m.withToken(old))
	require.Equal(t, http.StatusUnauthorized, m.withToken(renewed))
	m.run(c.next())
	eventually(t, http.StatusAccepted, func() int { return m.withToken(renewed) })
	require.Equal(t, http.StatusAccepted, m.withToken(old), "the old key is valid, too")
	m.run(c.next())
	eventually(t, http.StatusUnauthorized, func() int { return m.withToken(old) })
	require.Equal(t, http.StatusAccepted, m.withToken(renewed))
}

// signer writes a new public key into a file, and returns a token of a backend that its key has signed.
func (m *machine) signer(file string) (signed string) {
	m.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(m.t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(m.t, err)
	m.write(file, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	now := time.Now().Unix()
	claims := fmt.Sprintf(`{"iss":"https://login.example.com","aud":"bellhop","sub":"backend","scope":"notify:publish","iat":%d,"exp":%d}`, now, now+3600)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(text)))
}
