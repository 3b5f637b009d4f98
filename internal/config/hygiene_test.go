//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// Every setting refuses a value in quotes, wherever it is given.
func TestEverySettingRefusesQuotes(t *testing.T) {
	for _, s := range config.Default().Settings() {
		value := s.Value
		if value == "" {
			value = "/data/a"
		}
		for _, quoted := range []string{`"` + value + `"`, "'" + value + "'", value + "\x01b"} {
			_, err := config.Load(config.Sources{Environ: []string{s.Name + "=" + quoted}})
			var wrong config.Mistakes
			require.ErrorAs(t, err, &wrong, "%s=%s", s.Name, quoted)
			require.Equal(t, s.Name, wrong[0].Name, "%v", err)
		}
		name := strings.ToLower(strings.TrimPrefix(s.Name, "BELLHOP_"))
		if name == "config" {
			continue
		}
		for _, member := range []string{`'"` + value + `"'`, `"a\0b"`} {
			_, err := config.Load(config.Sources{Flags: map[string]string{"config": write(t, name+": "+member+"\n")}})
			require.ErrorContains(t, err, s.Name, "%s: %s", name, member)
		}
	}
}

// Files of variables may have CRLF line ends, and editors add byte order marks.
func TestLineEndsAndByteOrderMarksAreRemoved(t *testing.T) {
	c := load(t, config.Sources{Environ: []string{
		"BELLHOP_DATA_DIR=/data\r", "BELLHOP_LISTEN=\ufeff:8081\r", "BELLHOP_JWT_SECRET=" + secretOne + "," + secretTwo + "\r\n",
		"BELLHOP_ALLOWED_ORIGINS=https://a.example, https://b.example\r", "BELLHOP_JWT_ALGORITHMS=HS256,HS384\r",
		"BELLHOP_JWT_AUDIENCE= bellhop\r", "BELLHOP_QUEUE_NOTIFICATIONS=7\r", "BELLHOP_TRUSTED_PROXIES=10.0.0.0/8\r", "BELLHOP_LOG_FORMAT=json\r",
		"BELLHOP_API_KEYS_FILE= \r",
	}})
	assert.Equal(t, "/data", c.DataDir)
	assert.Equal(t, ":8081", c.Listen)
	assert.Equal(t, []config.Secret{secretOne, secretTwo}, c.JWTSecret)
	assert.Equal(t, []string{"https://a.example", "https://b.example"}, c.AllowedOrigins)
	assert.Equal(t, []string{"HS256", "HS384"}, c.JWTAlgorithms)
	assert.Equal(t, "bellhop", c.JWTAudience)
	assert.Equal(t, 7, c.QueueLength)
	assert.Equal(t, "json", c.LogFormat)
	assert.Empty(t, c.APIKeysFile, "white space is no value")
}

// The file of settings may have a byte order mark or CRLF line ends, or be in UTF-16.
func TestSettingsFileOfAnyEditor(t *testing.T) {
	const file = "data_dir: /data\r\njwt_algorithms:\r\n- HS256\r\n- HS384\r\n"
	var wide []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + file)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	for _, content := range []string{file, "\ufeff" + file, string(wide)} {
		c := load(t, config.Sources{Flags: map[string]string{"config": write(t, content)}})
		assert.Equal(t, "/data", c.DataDir)
		assert.Equal(t, []string{"HS256", "HS384"}, c.JWTAlgorithms)
	}
}

// A public key is refused wherever a secret can be given.
func TestAKeyIsRefusedAsASecret(t *testing.T) {
	const (
		body = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
		pem  = "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----\n"
		jwk  = `{"kty":"OKP","crv":"Ed25519","x":"` + body + `"}`
	)
	for _, key := range []string{pem, body, jwk, `{"keys":[` + jwk + `]}`, `"` + secretOne + `"`} {
		for name, from := range map[string]config.Sources{
			"environment": {Environ: []string{"BELLHOP_JWT_SECRET=" + key}},
			"in quotes":   {Environ: []string{`BELLHOP_JWT_SECRET="` + secretOne + "," + key + `"`}},
			"in a list":   {Environ: []string{"BELLHOP_JWT_SECRET=" + secretOne + "," + key}},
			"file":        {Flags: map[string]string{"config": write(t, "jwt_secret:\n- "+secretOne+"\n- '"+strings.ReplaceAll(key, "\n", "\n\n  ")+"'\n")}},
		} {
			from.NeedKey = true
			names, text := mistakes(t, from)
			require.Len(t, names, 1, name)
			require.True(t, strings.HasPrefix(names[0], "BELLHOP_JWT_SECRET"), name)
			require.NotContains(t, text, body[:20])
			require.NotContains(t, text, secretOne)
		}
	}
}

// A shell makes a pipe for <(command).
func TestSettingsFileMayBeAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("data_dir: /data\n"), 0o600) }()
	c := load(t, config.Sources{Flags: map[string]string{"config": path}})
	require.NoError(t, <-written)
	assert.Equal(t, "/data", c.DataDir)
}
