package cli_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/cli"
)

const secret = "0123456789abcdef0123456789abcdef"

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// bellhop runs a command as the program would.
func bellhop(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr strings.Builder
	code := cli.Main(t.Context(), args, environ, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func (r result) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.stdout+r.stderr, part) {
			t.Errorf("output lacks %q:\n%s%s", part, r.stdout, r.stderr)
		}
	}
}

func TestHelpAndUsage(t *testing.T) {
	bellhop(t, nil, "--help").want(t, 0, "serve", "demo", "token", "key", "send", "listen", "topics", "completion", "health", "backup", "restore", "cluster", "config", "version")
	help := bellhop(t, nil, "serve", "--help")
	help.stdout = strings.Join(strings.Fields(help.stdout), " ") // however it was wrapped
	help.want(t, 0, "--drain-window=DURATION", "(BELLHOP_DRAIN_WINDOW, default 20s)")
	if strings.Contains(help.stdout, "--jwt-secret=") {
		t.Error("a secret is a flag")
	}
	if again := bellhop(t, nil, "help", "serve"); strings.Join(strings.Fields(again.stdout), " ") != help.stdout {
		t.Errorf("bellhop help serve: %s%s", again.stdout, again.stderr)
	}
	bellhop(t, nil, "help").want(t, 0, "Commands:", "demo")
	bellhop(t, nil, "help", "nonsense").want(t, 2, "nonsense")
	bellhop(t, nil).want(t, 2, "expected one of")
	bellhop(t, nil, "serve", "--nonsense").want(t, 2, "unknown flag --nonsense", `"bellhop serve --help" explains`)
	bellhop(t, nil, "sned").want(t, 2, `did you mean "send"?`, `"bellhop --help" lists`)
	bellhop(t, nil, "--version").want(t, 0, "bellhop ", "go1.")
	bellhop(t, nil, "version").want(t, 0, "bellhop ", "go1.")
}

func TestServeReportsEveryMistakeFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	environ := []string{"BELLHOP_LISTEN=8080", "BELLHOP_ALLOWED_ORIGINS=example.com", "BELLHOP_DATA_DIR=" + dir, "BELLHOP_JWT_USER_CLAIM=exp", "BELLHOP_JWT_TOPICS_CLAIM=scope"}
	bellhop(t, environ, "serve", "--drain-window", "soon").want(t, 2,
		"BELLHOP_JWT_USER_CLAIM: names a claim with a fixed meaning", "BELLHOP_JWT_TOPICS_CLAIM: names a claim that is read for scopes",
		"BELLHOP_LISTEN: ", "BELLHOP_ALLOWED_ORIGINS: ", "BELLHOP_JWT_SECRET: ", `BELLHOP_DRAIN_WINDOW: "soon"`, "flag --drain-window")
	if _, err := os.Stat(dir); err == nil {
		t.Error("the store was opened")
	}
}

// Files that can be opened are read too, before anything is begun.
func TestServeReportsMistakesInFiles(t *testing.T) {
	dir := t.TempDir()
	environ := []string{
		"BELLHOP_JWT_SECRET=" + secret, "BELLHOP_DRAIN_WINDOW=x", "BELLHOP_JWT_ISSUER=*", "BELLHOP_JWT_AUDIENCE=*",
		"BELLHOP_DATA_DIR=" + filepath.Join(dir, "data"), "BELLHOP_WEBHOOKS_FILE=" + filepath.Join(dir, "gone"),
	}
	for variable, content := range map[string]string{
		"TLS_CERT_FILE": "no certificate", "TLS_KEY_FILE": "no key", "JWT_PUBLIC_KEY_FILE": "no key", "JWKS": "{}",
		"ISSUERS_FILE": "- issuer: x\n", "API_KEYS_FILE": "- name: shop\n  sha256: short\n  scopes: [all]\n",
	} {
		file := filepath.Join(dir, variable)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		environ = append(environ, "BELLHOP_"+variable+"="+file)
	}
	want := []string{
		"BELLHOP_DRAIN_WINDOW: ", "BELLHOP_TLS_CERT_FILE: ", "BELLHOP_JWT_PUBLIC_KEY_FILE: ", "BELLHOP_JWKS: ", "BELLHOP_ISSUERS_FILE: ",
		"BELLHOP_API_KEYS_FILE: ", "line 2: sha256 must be 64 hexadecimal digits", "BELLHOP_WEBHOOKS_FILE: ",
	}
	bellhop(t, environ, "serve").want(t, 2, want...)
	bellhop(t, environ, "config").want(t, 2, want...)
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("the store was opened")
	}
	clients := append(environ, "BELLHOP_DRAIN_WINDOW=5") // who do without them
	bellhop(t, clients, "token", "--user", "ada").want(t, 0)
}

// TestServeRefusesQuotedValuesAndKeys starts with values that look right to
// people.
func TestServeRefusesQuotedValuesAndKeys(t *testing.T) {
	dir := t.TempDir()
	const pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	environ := []string{"BELLHOP_JWT_SECRET=" + pem, `BELLHOP_DATA_DIR="` + dir + `/data"`, "BELLHOP_ALLOWED_ORIGINS='https://a.example'"}
	for _, command := range []string{"serve", "config"} {
		got := bellhop(t, environ, command)
		got.want(t, 2, "BELLHOP_JWT_SECRET: is a key or certificate in PEM form", "BELLHOP_DATA_DIR: has quotes", "BELLHOP_ALLOWED_ORIGINS: has quotes")
		if strings.Contains(got.stdout+got.stderr, "MCowBQYDK2Vw") {
			t.Error("the secret shows")
		}
	}
	got := bellhop(t, []string{"BELLHOP_JWKS=https://ada:hunter2@a.example/keys?apikey=hunter2", "BELLHOP_JWT_ISSUER=*", "BELLHOP_JWT_AUDIENCE=*"}, "config")
	got.want(t, 0, "https://(hidden)@a.example/keys?apikey=(hidden)")
	if strings.Contains(got.stdout+got.stderr, "hunter2") {
		t.Error("the password shows")
	}
}

func TestConfigShowsOrigins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bellhop.yaml")
	if err := os.WriteFile(file, []byte("drain_window: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"BELLHOP_CONFIG=" + file, "BELLHOP_JWT_SECRET=" + secret}
	got := bellhop(t, environ, "config", "--listen", ":9", "--allowed-origins", "https://a.example", "--allowed-origins=https://b.example")
	got.want(t, 0)
	lines := strings.Split(got.stdout, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	for _, line := range []string{
		"BELLHOP_LISTEN :9 restart flag --listen",
		"BELLHOP_DRAIN_WINDOW 5s restart file " + file + ":1",
		"BELLHOP_JWT_SECRET (hidden) reload environment BELLHOP_JWT_SECRET",
		"BELLHOP_ALLOWED_ORIGINS https://a.example,https://b.example reload flag --allowed-origins",
		"BELLHOP_DATA_DIR ./data restart default",
	} {
		if !slices.Contains(lines, line) {
			t.Errorf("the table lacks %q:\n%s", line, got.stdout)
		}
	}
	if strings.Contains(got.stdout+got.stderr, secret) {
		t.Error("the secret shows")
	}
	bellhop(t, []string{"BELLHOP_LISTN=x"}, "config").want(t, 2, "BELLHOP_DATA_DIR", "BELLHOP_LISTN: unknown setting; did you mean BELLHOP_LISTEN?")
	bellhop(t, nil, "config", "--markdown").want(t, 0, "| `BELLHOP_LISTEN` | `:8080` | restart |", "| `BELLHOP_CONNECTIONS_PER_USER` | `20` | reload |", "| `BELLHOP_REQUEST_HEAD_BYTES` | `16KiB` | restart |")
}

func TestTokenSignsClaims(t *testing.T) {
	environ := []string{"BELLHOP_JWT_SECRET=" + secret, "BELLHOP_JWT_ISSUER=https://login.example", "BELLHOP_JWT_AUDIENCE=*"}
	got := bellhop(t, environ, "token", "--user", "ada", "--scope", "notify:publish", "--scope", "notify:broadcast",
		"--topic", "news", "--topic", "project.*", "--ttl", "2h")
	got.want(t, 0)
	parts := strings.Split(strings.TrimSpace(got.stdout), ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", got.stdout)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Sub, Iss, Scope string
		Aud             any
		Topics          []string
		Iat, Exp        int64
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Sub != "ada" || claims.Scope != "notify:publish notify:broadcast" || claims.Iss != "https://login.example" ||
		claims.Aud != nil || !slices.Equal(claims.Topics, []string{"news", "project.*"}) || claims.Exp-claims.Iat != int64((2*time.Hour).Seconds()) {
		t.Errorf("claims %s", text)
	}
}

func TestTokenMistakes(t *testing.T) {
	environ := []string{"BELLHOP_JWT_SECRET=" + secret}
	bellhop(t, nil, "token", "--user", "ada").want(t, 2, "BELLHOP_JWT_SECRET: is required for signing")
	bellhop(t, environ, "token").want(t, 2, "--user")
	bellhop(t, environ, "token", "--user", "two words").want(t, 2, "white space")
	bellhop(t, environ, "token", "--user", "ada", "--ttl", "9999h").want(t, 2, "31 days")
	bellhop(t, environ, "token", "--user", "ada", "--topic", "*.x").want(t, 2, "a topic must have a * only at its end, after a dot")
	bellhop(t, append(environ, "BELLHOP_JWT_USER_PREFIX=me:"), "token", "--user", "ada").want(t, 2, "must begin with the user prefix me:")
	bellhop(t, environ, "token", "--user", "ada", "--scope", "root").want(t, 2, `"root" is not one of`)
}

// health serves readyz at path and returns its address.
func health(t *testing.T, path string, status int, serve func(http.Handler) *httptest.Server) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		if status != http.StatusOK {
			_, _ = w.Write([]byte(`{"type":"urn:bellhop:problem:draining","title":"Draining","status":503,"detail":"the service is going down"}`))
		}
	})
	srv := serve(mux)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func TestHealth(t *testing.T) {
	up := health(t, "/readyz", http.StatusOK, httptest.NewServer)
	_, port, _ := strings.Cut(up, ":")
	bellhop(t, nil, "health", "--url", "http://"+up+"/").want(t, 0, "ready")
	bellhop(t, []string{"BELLHOP_LISTEN=" + up}, "health").want(t, 0, "ready")
	bellhop(t, []string{"BELLHOP_LISTEN=0.0.0.0:" + port}, "health").want(t, 0, "ready")
	bellhop(t, nil, "health", "--listen", ":"+port).want(t, 0, "ready")
	bellhop(t, nil, "health", "--listen", ":"+port, "--base-path", "/bell").want(t, 1, "404")

	below := health(t, "/bell/readyz", http.StatusOK, httptest.NewServer)
	bellhop(t, []string{"BELLHOP_LISTEN=" + below, "BELLHOP_BASE_PATH=/bell"}, "health").want(t, 0, "ready")

	down := health(t, "/readyz", http.StatusServiceUnavailable, httptest.NewServer)
	bellhop(t, []string{"BELLHOP_LISTEN=" + down}, "health").want(t, 1, "503 draining: the service is going down")

	bellhop(t, []string{"BELLHOP_LISTEN=nowhere"}, "health").want(t, 1, "BELLHOP_LISTEN")
	bellhop(t, nil, "health", "--listen", "127.0.0.1:0").want(t, 1, "--url")
}

func TestHealthOverTLS(t *testing.T) {
	up := health(t, "/readyz", http.StatusOK, httptest.NewTLSServer)
	file := filepath.Join(t.TempDir(), "file.pem") // the service reads it, health needs to know only that it is set
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"BELLHOP_LISTEN=" + up, "BELLHOP_TLS_CERT_FILE=" + file, "BELLHOP_TLS_KEY_FILE=" + file}
	bellhop(t, environ, "health").want(t, 0, "ready")
	bellhop(t, nil, "health", "--url", "https://"+up).want(t, 1, "certificate")
}

func TestInterruptedHealth(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := cli.Main(ctx, []string{"health"}, nil, &out, &out); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
