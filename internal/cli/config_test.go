package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// settings writes a file of settings and returns its path.
func settingsFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bellhop.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// A check reports all that serve would, those of other packages too, each with its line.
func TestConfigCheckReportsEveryMistake(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys.yaml")
	require.NoError(t, os.WriteFile(keys, []byte("- name: shop\n  sha256: short\n  scopes: [all]\n"), 0o600))
	file := settingsFile(t,
		"allowed_origins: [example.com, 'https://*.com']",
		"retention: 30 days",
		"retentoin: 30d",
		"issuers_file: "+filepath.Join(dir, "gone.yaml"),
		"api_keys_file: "+keys,
		"tls_cert_file: "+filepath.Join(dir, "cert.pem"),
		"tls_key_file: "+filepath.Join(dir, "key.pem"),
		"jwt_user_claim: exp",
		"log_level: loud",
	)
	environ := []string{"BELLHOP_QUEUE_BYTES=1KiB"}
	at := func(line int) string { return fmt.Sprintf("(file %s:%d)", file, line) }
	got := bellhop(t, environ, "config", "--check", file, "--drain-window", "2d")
	got.want(t, 1,
		`BELLHOP_ALLOWED_ORIGINS: origin "example.com"`, `origin "https://*.com"`, at(1),
		`BELLHOP_RETENTION: "30 days" is neither a duration`, at(2),
		"BELLHOP_CONFIG: "+file+":3: unknown setting retentoin; did you mean retention?",
		"BELLHOP_ISSUERS_FILE: ", "no such file", at(4),
		"BELLHOP_API_KEYS_FILE: ", "line 2: sha256 must be 64 hexadecimal digits", at(5),
		"BELLHOP_TLS_CERT_FILE: "+filepath.Join(dir, "cert.pem")+": ", at(6),
		"BELLHOP_TLS_KEY_FILE: "+filepath.Join(dir, "key.pem")+": ", at(7),
		"BELLHOP_JWT_USER_CLAIM: names a claim with a fixed meaning", at(8),
		`BELLHOP_LOG_LEVEL: "loud" is not one of debug, info, warn, error`, at(9),
		"BELLHOP_QUEUE_BYTES: 1KiB is less than the minimum of 64KiB (environment BELLHOP_QUEUE_BYTES)",
		"BELLHOP_DRAIN_WINDOW: 2d is more than the maximum of 1d (flag --drain-window)",
	)
	require.Empty(t, got.stdout)
	for _, repeated := range strings.Split(got.stderr, "\n") {
		require.LessOrEqual(t, strings.Count(repeated, "("+"file "), 1, "the place is given twice")
	}
	bellhop(t, environ, "serve", "--config", file, "--drain-window", "2d").want(t, 2, strings.TrimSpace(got.stderr))
}

func TestConfigCheckAcceptsWhatServeAccepts(t *testing.T) {
	file := settingsFile(t, "jwt_secret: "+secret, "retention: 30d", "min_free_bytes: 256MiB", "allowed_origins: [https://app.example.com]")
	got := bellhop(t, nil, "config", "--check", file)
	got.want(t, 0)
	require.Equal(t, "ok\n", got.stdout)
	require.Empty(t, got.stderr)
	bellhop(t, []string{"BELLHOP_CONFIG=" + file}, "config", "--check").want(t, 0, "ok")
	bellhop(t, []string{"BELLHOP_JWT_SECRET=" + secret}, "config", "--check").want(t, 0, "ok")
	bellhop(t, nil, "config", file).want(t, 0, file+":2", "30d")

	bellhop(t, nil, "config", "--check").want(t, 1, "BELLHOP_JWT_SECRET: no key to verify tokens with")
	bellhop(t, nil, "config", "--check", "/does/not/exist.yaml").want(t, 1, "BELLHOP_CONFIG: ", "/does/not/exist.yaml")
	bellhop(t, nil, "config", "--check", file, "--config", file).want(t, 2, "give the file of settings once")
	bellhop(t, nil, "config", "--chekc", file).want(t, 2, "unknown flag --chekc")
}

// A file that cannot be read is reported even if the setting that belongs to it is not there.
func TestConfigCheckReadsACertificateWithoutItsKey(t *testing.T) {
	file := settingsFile(t, "jwt_secret: "+secret, "tls_cert_file: /does/not/exist.pem")
	bellhop(t, nil, "config", "--check", file).want(t, 1,
		"BELLHOP_TLS_CERT_FILE: /does/not/exist.pem: no such file or directory (file "+file+":2)",
		"BELLHOP_TLS_KEY_FILE: is required with BELLHOP_TLS_CERT_FILE")
}

// A file that is not YAML gets one mistake with the line, the reason and what is allowed.
func TestConfigCheckNamesTheLineOfBrokenYAML(t *testing.T) {
	file := settingsFile(t, "jwt_secret: "+secret, "allowed_origins: ['https://a.example'", "retention: 30d")
	got := bellhop(t, nil, "config", "--check", file)
	got.want(t, 1, "BELLHOP_CONFIG: "+file+":2: not valid YAML: did not find expected ',' or ']'; the file must be a YAML mapping of settings, such as")
	require.Equal(t, 1, strings.Count(got.stderr, "BELLHOP_"), "what could not be read is reported as missing: %s", got.stderr)
}

// Some mistakes are in no setting alone: an issuers file without an issuer leaves no key.
func TestConfigCheckReportsMistakesOfSeveralSettings(t *testing.T) {
	issuers := filepath.Join(t.TempDir(), "issuers.yaml")
	require.NoError(t, os.WriteFile(issuers, []byte("[]\n"), 0o600))
	file := settingsFile(t, "issuers_file: "+issuers)
	bellhop(t, nil, "config", "--check", file).want(t, 1, "BELLHOP_ISSUERS_FILE: no key to verify tokens with: the issuers file has no issuer (file "+file+":1)")
}
