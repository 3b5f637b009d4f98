//go:build unix

package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
)

// check returns the mistakes in the contents of files, by the names of their settings.
func check(t *testing.T, environ ...string) map[string]string {
	t.Helper()
	from := config.Sources{Environ: append(environ, "BELLHOP_NATS_URL=nats://127.0.0.1:4222", "BELLHOP_JWT_ISSUER=*", "BELLHOP_JWT_AUDIENCE=*")}
	_, err := config.Load(from)
	require.NoError(t, err)
	var wrong config.Mistakes
	if _, err = app.LoadSettings(t.Context(), from); err != nil {
		require.ErrorAs(t, err, &wrong)
	}
	mistakes := map[string]string{}
	for _, m := range wrong {
		mistakes[m.Name] = m.Detail
	}
	return mistakes
}

// write puts text into a file of its own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// files are the settings that name files which are read again when they change.
func files() []string {
	var names []string
	for _, s := range config.Default().Settings() {
		if strings.HasSuffix(s.Name, "_FILE") || s.Name == "BELLHOP_JWKS" {
			names = append(names, s.Name)
		}
	}
	return names
}

// Every file must be a regular one that can be read. A check that opened the pipe would
// never return, since no process writes to it.
func TestEveryFileIsChecked(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for path, want := range map[string]string{pipe: "named pipe", t.TempDir(): "directory", "/does/not/exist": "no such file"} {
		var environ []string
		for _, name := range files() {
			environ = append(environ, name+"="+path)
		}
		mistakes := check(t, environ...)
		for _, name := range files() {
			assert.Contains(t, mistakes[name], want, name)
			assert.Contains(t, mistakes[name], path, name)
		}
	}
	require.Greater(t, len(files()), 5)
}

func TestTheKeyOfACertificateIsChecked(t *testing.T) {
	mistakes := check(t, "BELLHOP_TLS_CERT_FILE="+write(t, "a certificate"), "BELLHOP_TLS_KEY_FILE=/does/not/exist")
	assert.Equal(t, map[string]string{"BELLHOP_TLS_KEY_FILE": "/does/not/exist: no such file or directory"}, mistakes)
	mistakes = check(t, "BELLHOP_TLS_CERT_FILE="+write(t, "a certificate"), "BELLHOP_TLS_KEY_FILE="+write(t, "a key"))
	assert.Contains(t, mistakes["BELLHOP_TLS_CERT_FILE"], "failed to find any PEM data")
	assert.Len(t, mistakes, 1)
}

func TestAlgorithmsAreChecked(t *testing.T) {
	mistakes := check(t, "BELLHOP_JWT_ALGORITHMS=RS256,none")
	assert.Contains(t, mistakes["BELLHOP_JWT_ALGORITHMS"], `"none"`)
	assert.Empty(t, check(t, "BELLHOP_JWT_ALGORITHMS=RS256,EdDSA"))
}

// The text of a mistake in a file of secrets repeats no secret.
func TestMistakesInAFileOfSecretsHideIt(t *testing.T) {
	const (
		good = "0123456789abcdef0123456789abcdef"
		body = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
		pem  = "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----\n"
		jwk  = `{"kty":"OKP","crv":"Ed25519","x":"` + body + `"}`
	)
	assert.Empty(t, check(t, "BELLHOP_JWT_SECRET_FILE="+write(t, good+"\n"+strings.ToUpper(good)+"\r\n")))
	for _, text := range []string{"hunter2", good + "\nhunter2", pem, body, jwk, `"` + good + `"`} {
		detail := check(t, "BELLHOP_JWT_SECRET_FILE="+write(t, text))["BELLHOP_JWT_SECRET_FILE"]
		require.NotEmpty(t, detail)
		for _, secret := range []string{"hunter2", good, body[:20]} {
			require.NotContains(t, detail, secret)
		}
	}
}

func TestAlgorithmsFitTheSecrets(t *testing.T) {
	secret := "BELLHOP_JWT_SECRET=" + strings.Repeat("s3cret", 8)
	assert.Contains(t, check(t, secret, "BELLHOP_JWT_ALGORITHMS=RS256")["BELLHOP_JWT_ALGORITHMS"], "configure one of HS256, HS384, HS512")
	assert.Empty(t, check(t, secret, "BELLHOP_JWT_ALGORITHMS=HS384,RS256")["BELLHOP_JWT_ALGORITHMS"])
}
