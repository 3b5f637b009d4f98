package config_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/config"
)

const (
	secretOne = "0123456789abcdef0123456789abcdef"
	secretTwo = "fedcba9876543210fedcba9876543210"
)

// write puts text into a file of its own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, from config.Sources) *config.Config {
	t.Helper()
	c, err := config.Load(from)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// mistakes returns the names of the settings that Load finds wrong, and the whole text.
func mistakes(t *testing.T, from config.Sources) (names []string, text string) {
	t.Helper()
	_, err := config.Load(from)
	var all config.Mistakes
	if !errors.As(err, &all) {
		t.Fatalf("Load: %v, want mistakes", err)
	}
	for _, m := range all {
		names = append(names, m.Name)
	}
	return names, err.Error()
}

func origin(t *testing.T, c *config.Config, name string) string {
	t.Helper()
	for _, s := range c.Settings() {
		if s.Name == name {
			return s.Origin.String()
		}
	}
	t.Fatalf("there is no setting %s", name)
	return ""
}

func TestDefaults(t *testing.T) {
	c := load(t, config.Sources{})
	if c.Listen != ":8080" || c.AdminListen != "127.0.0.1:8081" || c.Profiles != "off" || c.Backups != "local" || c.DataDir != "./data" ||
		c.DrainWindow != 20*time.Second || c.Retention != 30*24*time.Hour || c.PerUser != 1000 {
		t.Errorf("unexpected defaults: %+v", c)
	}
	for _, s := range c.Settings() {
		if s.Origin.String() != "default" {
			t.Errorf("%s comes from %s", s.Name, s.Origin)
		}
	}
}

func TestLaterSourceWins(t *testing.T) {
	file := write(t, "listen: :1\ndrain_window: 1\nlog_level: debug\nnotifications_per_user: 7\n")
	c := load(t, config.Sources{
		Environ: []string{"BELLHOP_CONFIG=" + file, "BELLHOP_LISTEN=:2", "BELLHOP_DRAIN_WINDOW=2", "PATH=/bin"},
		Flags:   map[string]string{"listen": ":3"},
	})
	if c.Listen != ":3" || c.DrainWindow != 2*time.Second || c.LogLevel != slog.LevelDebug || c.PerUser != 7 {
		t.Errorf("got %q %v %v %d", c.Listen, c.DrainWindow, c.LogLevel, c.PerUser)
	}
	for name, want := range map[string]string{
		"BELLHOP_LISTEN":                 "flag --listen",
		"BELLHOP_DRAIN_WINDOW":           "environment BELLHOP_DRAIN_WINDOW",
		"BELLHOP_LOG_LEVEL":              "file " + file + ":3",
		"BELLHOP_NOTIFICATIONS_PER_USER": "file " + file + ":4",
		"BELLHOP_BASE_PATH":              "default",
	} {
		if got := origin(t, c, name); got != want {
			t.Errorf("%s comes from %q, want %q", name, got, want)
		}
	}
}

func TestFlagNamesFile(t *testing.T) {
	c := load(t, config.Sources{
		Environ: []string{"BELLHOP_CONFIG=/does/not/exist"},
		Flags:   map[string]string{"config": write(t, "base_path: /bell\n")},
	})
	if c.BasePath != "/bell" {
		t.Errorf("base path %q", c.BasePath)
	}
}

func TestEmptyIsUnset(t *testing.T) {
	c := load(t, config.Sources{
		Environ: []string{
			"BELLHOP_CONFIG=" + write(t, "listen: ''\ndata_dir:\nallowed_origins: []\n"),
			"BELLHOP_LISTEN=", "BELLHOP_DRAIN_WINDOW=", "BELLHOP_TYPO=",
		},
		Flags: map[string]string{"log-format": ""},
	})
	if c.Listen != ":8080" || c.DataDir != "./data" || c.DrainWindow != 20*time.Second || c.LogFormat != "auto" {
		t.Errorf("got %q %q %v %q", c.Listen, c.DataDir, c.DrainWindow, c.LogFormat)
	}
}

func TestLists(t *testing.T) {
	fromFile := load(t, config.Sources{Flags: map[string]string{
		"config": write(t, "allowed_origins:\n  - https://a.example\n  - 'null'\ntrusted_proxies: 10.1.2.3/8, 2001:db8::/32\n"),
	}})
	if got := fmt.Sprint(fromFile.AllowedOrigins); got != "[https://a.example null]" {
		t.Errorf("origins %s", got)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	if fmt.Sprint(fromFile.TrustedProxies) != fmt.Sprint(want) {
		t.Errorf("proxies %v, want %v", fromFile.TrustedProxies, want)
	}
	none := load(t, config.Sources{Environ: []string{"BELLHOP_TRUSTED_PROXIES=none"}})
	if none.TrustedProxies == nil || len(none.TrustedProxies) != 0 {
		t.Errorf("none gave %#v; it must differ from unset", none.TrustedProxies)
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	file := write(t, strings.Join([]string{
		"listn: :1",
		"drain_window: 20 s",
		"listen: [a, b]",
		"allowed_origins: [{a: b}]",
		"log_level: debug",
		"log_level: info",
		"DATA_DIR: x",
		"config: /other",
	}, "\n"))
	names, text := mistakes(t, config.Sources{
		Environ: []string{
			"BELLHOP_CONFIG=" + file,
			"BELLHOP_LOG_FORMT=json",
			"BELLHOP_BROKER=nats://localhost",
			"BELLHOP_ADMIN_LISTEN=8081",
			"BELLHOP_ADMIN_HOSTS=bellhop:8081,http://bellhop",
			"BELLHOP_PROFILES=yes",
			"BELLHOP_BASE_PATH=/bell/",
			"BELLHOP_QUEUE_NOTIFICATIONS=0",
			"BELLHOP_RETENTION=soon",
			"BELLHOP_TRUSTED_PROXIES=10.0.0.1",
			"BELLHOP_TLS_CERT_FILE=" + file,
		},
		Flags: map[string]string{"log-format": "xml", "min-free-bytes": "-1"},
	})
	want := "BELLHOP_ADMIN_HOSTS BELLHOP_ADMIN_LISTEN BELLHOP_BASE_PATH BELLHOP_BROKER BELLHOP_CONFIG BELLHOP_CONFIG " +
		"BELLHOP_CONFIG BELLHOP_CONFIG BELLHOP_CONFIG BELLHOP_DRAIN_WINDOW BELLHOP_LISTEN " +
		"BELLHOP_LOG_FORMAT BELLHOP_LOG_FORMT BELLHOP_MIN_FREE_BYTES BELLHOP_PROFILES BELLHOP_QUEUE_NOTIFICATIONS " +
		"BELLHOP_RETENTION BELLHOP_TLS_KEY_FILE BELLHOP_TRUSTED_PROXIES"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("mistakes in\n%s\nwant\n%s\n%s", got, want, text)
	}
	for _, part := range []string{
		file + ":1: unknown setting listn; did you mean listen?",
		"BELLHOP_LOG_FORMT: unknown setting; did you mean BELLHOP_LOG_FORMAT?",
		"BELLHOP_BROKER: unknown setting; \"bellhop config\" lists all settings\n",
		file + ":8: config is the path of this file",
		`BELLHOP_DRAIN_WINDOW: "20 s" is neither a duration such as 30d, 12h, 5m, 90s or 1h30m, in whole numbers of d, h, m and s, ` +
			`nor a whole number of seconds (file ` + file + ":2)",
		"BELLHOP_LISTEN: must be one value, not a list (file " + file + ":3)",
		file + `:4: "allowed_origins" must be plain text or a list of plain texts`,
		file + `:6: "log_level" is set twice`,
		"BELLHOP_ADMIN_LISTEN: \"8081\" is not an address such as :8080 or 127.0.0.1:8080 (environment BELLHOP_ADMIN_LISTEN)",
		file + ":7: unknown setting DATA_DIR; did you mean data_dir?",
		`BELLHOP_LOG_FORMAT: "xml" is not one of auto, text, json (flag --log-format)`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the report lacks %q:\n%s", part, text)
		}
	}
}

// Mistakes that are found after all values have been read have the line, too.
func TestMistakesInTheFileHaveTheirLine(t *testing.T) {
	file := write(t, strings.Join([]string{
		"nats_url: [nats://nats-1:4222, http://nats-2:4222]", "replicas: 4", "queue_bytes: 1GiB", "queued_bytes: 1MiB", "base_path: bell", "connections_per_address: 5",
		"traces_url: collector:4318",
	}, "\n"))
	_, text := mistakes(t, config.Sources{Flags: map[string]string{"config": file}})
	for line, report := range []string{
		"BELLHOP_NATS_URL: item 2 of 2 is not a URL such as nats://", "BELLHOP_REPLICAS: 4 is not 3 or 5", "",
		"BELLHOP_QUEUED_BYTES: 1MiB is less than BELLHOP_QUEUE_BYTES (1GiB)", "BELLHOP_BASE_PATH: ", "BELLHOP_CONNECTIONS_PER_ADDRESS: requires",
		"BELLHOP_TRACES_URL: is not a URL such as http://",
	} {
		found := report == ""
		for _, got := range strings.Split(text, "\n") {
			found = found || strings.HasPrefix(got, report) && strings.HasSuffix(got, fmt.Sprintf(" (file %s:%d)", file, line+1))
		}
		if !found {
			t.Errorf("%q is not reported at line %d:\n%s", report, line+1, text)
		}
	}
	_, text = mistakes(t, config.Sources{Flags: map[string]string{"config": write(t, "listen: :1\nlog_level: [\n")}})
	const want = `/file:2: not valid YAML: did not find expected node content; the file must be a YAML mapping of settings, such as "retention: 30d"`
	if !strings.Contains(text, want) {
		t.Errorf("a mistake in YAML says neither where it is nor what is allowed: %s", text)
	}
}

func TestBrokenFile(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML":       "listen: [",
		"a list":        "- listen",
		"two documents": "listen: :1\n---\nlisten: :2\n",
		"a key twice":   "listen: :1\nlisten: :2\n",
	} {
		// A key may be in the part of the file that could not be read.
		names, _ := mistakes(t, config.Sources{NeedKey: true, Flags: map[string]string{"config": write(t, text)}})
		if fmt.Sprint(names) != "[BELLHOP_CONFIG]" {
			t.Errorf("%s: mistakes in %v", name, names)
		}
	}
	load(t, config.Sources{Flags: map[string]string{"config": write(t, "# nothing\n")}})
}

func TestSecrets(t *testing.T) {
	both := []config.Secret{secretOne, secretTwo}
	for name, from := range map[string]config.Sources{
		"environment": {Environ: []string{"BELLHOP_JWT_SECRET=" + secretOne + ", " + secretTwo}},
		"file":        {Flags: map[string]string{"config": write(t, "jwt_secret: ["+secretOne+", "+secretTwo+"]")}},
		"environment over secret file": {
			Environ: []string{"BELLHOP_JWT_SECRET=" + secretOne + "," + secretTwo},
			Flags:   map[string]string{"config": write(t, "jwt_secret_file: /does/not/exist")},
		},
	} {
		from.NeedKey = true
		c := load(t, from)
		if len(c.JWTSecret) != 2 || c.JWTSecret[0] != both[0] || c.JWTSecret[1] != both[1] {
			t.Errorf("%s: wrong secrets", name)
		}
		if s, _, _ := strings.Cut(name, " over"); !strings.HasPrefix(origin(t, c, "BELLHOP_JWT_SECRET"), s) {
			t.Errorf("%s: secret comes from %s", name, origin(t, c, "BELLHOP_JWT_SECRET"))
		}
		if c.JWTSecretFile != "" {
			t.Errorf("%s: the secret file is %s", name, c.JWTSecretFile)
		}
		if shown := fmt.Sprintf("%v %+v %#v %s", c.Settings(), c, c.JWTSecret, c.JWTSecret[0]); strings.Contains(shown, secretOne) {
			t.Errorf("%s: a secret shows: %s", name, shown)
		}
	}
}

func TestSecretFileReplacesSecretsInTheFileOfSettings(t *testing.T) {
	c := load(t, config.Sources{
		NeedKey: true,
		Environ: []string{"BELLHOP_JWT_SECRET_FILE=/run/secrets/jwt"},
		Flags:   map[string]string{"config": write(t, "jwt_secret: "+secretOne)},
	})
	if c.JWTSecretFile != "/run/secrets/jwt" || len(c.JWTSecret) > 0 {
		t.Errorf("secrets are in %q and %d settings", c.JWTSecretFile, len(c.JWTSecret))
	}
}

func TestSecretMistakesHideIt(t *testing.T) {
	const short = "hunter2"
	for name, from := range map[string]config.Sources{
		"too short":         {Environ: []string{"BELLHOP_JWT_SECRET=" + secretOne + "," + short}},
		"too short in file": {Flags: map[string]string{"config": write(t, "jwt_secret: ["+secretOne+", "+short+"]")}},
		"both":              {Environ: []string{"BELLHOP_JWT_SECRET=" + secretOne, "BELLHOP_JWT_SECRET_FILE=/x"}},
	} {
		from.NeedKey = true
		names, text := mistakes(t, from)
		if len(names) != 1 || !strings.HasPrefix(names[0], "BELLHOP_JWT_SECRET") {
			t.Errorf("%s: mistakes in %v", name, names)
		}
		if strings.Contains(text, short) || strings.Contains(text, secretOne) {
			t.Errorf("%s: a secret shows: %s", name, text)
		}
	}
}

func TestPublicKeysNeedIssuerAndAudience(t *testing.T) {
	names, _ := mistakes(t, config.Sources{Environ: []string{"BELLHOP_JWKS=https://login.example.com/.well-known/jwks.json"}})
	if fmt.Sprint(names) != "[BELLHOP_JWT_AUDIENCE BELLHOP_JWT_ISSUER]" {
		t.Errorf("mistakes in %v", names)
	}
	load(t, config.Sources{NeedKey: true, Environ: []string{
		"BELLHOP_JWKS=" + write(t, "{}"), "BELLHOP_JWT_ISSUER=*", "BELLHOP_JWT_AUDIENCE=bellhop",
	}})
}

func TestVariablesOfOtherProgramsAreIgnored(t *testing.T) {
	load(t, config.Sources{Environ: []string{
		"BELLHOP_TOKEN=x", "BELLHOP_URL=http://localhost",
		"BELLHOP_SERVICE_HOST=10.0.0.1", "BELLHOP_SERVICE_PORT=80", "BELLHOP_SERVICE_PORT_HTTP=80",
		"BELLHOP_PORT=tcp://10.0.0.1:80", "BELLHOP_PORT_80_TCP=tcp://10.0.0.1:80", "BELLHOP_PORT_80_TCP_ADDR=10.0.0.1",
		"BELLHOP_ADMIN_SERVICE_HOST=10.0.0.2", "BELLHOP_ADMIN_PORT_9090_TCP_PROTO=tcp",
	}})
}

// A URL may contain a password, and bellhop config prints all settings.
func TestSettingsHidePasswords(t *testing.T) {
	c := load(t, config.Sources{Environ: []string{
		"BELLHOP_JWKS=https://ada:pass-word@login.example.com/keys?a=b", "BELLHOP_JWT_ISSUER=https://login.example.com", "BELLHOP_JWT_AUDIENCE=*",
	}})
	for _, s := range c.Settings() {
		switch {
		case strings.Contains(s.Value, "pass-word"):
			t.Errorf("%s shows %s", s.Name, s.Value)
		case s.Name == "BELLHOP_JWKS" && s.Value != "https://(hidden)@login.example.com/keys?a=(hidden)":
			t.Errorf("the URL shows as %s", s.Value)
		case s.Name == "BELLHOP_JWT_ISSUER" && s.Value != "https://login.example.com":
			t.Errorf("the issuer shows as %s", s.Value)
		}
	}
	if c.JWKS != "https://ada:pass-word@login.example.com/keys?a=b" {
		t.Error("the setting itself is changed")
	}
}
