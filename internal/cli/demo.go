package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/internal/webui"
)

// demoTokenLife is for how long the tokens on the page and on the terminal are
// good. The page fetches new ones.
const demoTokenLife = 12 * time.Hour

type demoCommand struct {
	DataDir string `placeholder:"PATH" help:"where to keep the notifications (default: a temporary directory, removed at the end)"`
	Listen  string `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"address to listen on"`
}

// Run runs the service with a secret of its own until it is asked to stop. It
// serves the demo page and prints its address and commands to try.
func (c *demoCommand) Run(t *terminal) (err error) {
	t.detach()
	catchHangups() // a demo has no files to read again
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = c.Listen, "127.0.0.1:0"
	cfg.DrainWindow = 0
	cfg.DataDir = c.DataDir
	if cfg.DataDir == "" {
		if cfg.DataDir, err = os.MkdirTemp("", "bellhop-demo-"); err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
		defer os.RemoveAll(cfg.DataDir)
	}
	secret := rand.Text() + rand.Text() // 52 characters, 256 bits
	cfg.JWTSecret = []config.Secret{config.Secret(secret)}
	d := &demo{secret: []byte(secret), stdout: t.stdout, stderr: t.stderr}
	log := telemetry.NewLog(t.log, slog.LevelWarn, cfg.LogFormat)
	defer log.Close()
	page := d.atHome(webui.Demo(d.session, log.Logger))
	err = app.Run(t.ctx, cfg, app.Options{
		Log:       log,
		Pages:     map[string]http.Handler{"/": page, "/demo/*": page},
		Origins:   d.findHome,
		Listening: func(public, _ net.Addr) { d.greet(public) },
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; try --listen 127.0.0.1:0 for any that is free", err)
	}
	return err
}

type demo struct {
	secret []byte
	stdout io.Writer
	stderr io.Writer
	home   []string // the origins of the page, set before it is served
}

// findHome returns the origins by which this machine reaches the page.
func (d *demo) findHome(public net.Addr) []string {
	host, port, err := net.SplitHostPort(public.String())
	if err != nil {
		return nil // a TCP address always has both
	}
	hosts := []string{"localhost", "127.0.0.1", "::1", host}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		hosts = hosts[:3]
		addrs, _ := net.InterfaceAddrs() // without them, this machine's own names are left
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				hosts = append(hosts, n.IP.String())
			}
		}
	}
	for _, h := range hosts {
		d.home = append(d.home, "http://"+net.JoinHostPort(h, port))
	}
	return d.home
}

// atHome serves the page, which hands out tokens, under the names of home only:
// a stranger's page whose name was pointed at this machine gets none.
func (d *demo) atHome(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if !strings.Contains(strings.TrimPrefix(host, "["), ":") {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
		}
		if !slices.Contains(d.home, "http://"+host) {
			http.Error(w, "The demo is not served under this name.", http.StatusMisdirectedRequest)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// session makes tokens for the page.
func (d *demo) session() (webui.Session, error) {
	s := webui.Session{Users: map[string]webui.Credential{}}
	for _, user := range []notify.UserID{"ada", "grace"} {
		token, err := d.token(user)
		if err != nil {
			return s, err
		}
		s.Users[string(user)] = webui.Credential{Token: token}
	}
	token, err := d.token("demo", notify.ScopePublish, notify.ScopeBroadcast)
	s.Publisher = webui.Credential{Token: token}
	return s, err
}

func (d *demo) token(user notify.UserID, scopes ...notify.Scope) (string, error) {
	token, err := auth.Sign(d.secret, auth.Claims{User: user, Scopes: scopes, TTL: demoTokenLife})
	if err != nil {
		return "", fmt.Errorf("sign a token for the demo: %w", err)
	}
	return token, nil
}

// greet prints what there is to try.
func (d *demo) greet(public net.Addr) {
	ada, err := d.token("ada")
	backend, err2 := d.token("demo", notify.ScopePublish, notify.ScopeBroadcast)
	if err != nil || err2 != nil {
		fmt.Fprintln(d.stderr, "bellhop: no token could be signed:", err, err2)
		return
	}
	url := strings.Replace(d.home[1], "127.0.0.1", "localhost", 1)
	if host, _, _ := net.SplitHostPort(public.String()); !net.ParseIP(host).IsUnspecified() {
		url = "http://" + public.String()
	}
	fmt.Fprintf(d.stdout, `bellhop demo: open %[1]s/

Watch what ada is told, in another terminal:

  %[2]s listen --url %[1]s --token %[3]s

Tell her something:

  curl %[1]s/notify \
    -H 'Authorization: Bearer %[4]s' \
    -H 'Content-Type: application/json' \
    -d '{"to":{"users":["ada"]},"type":"hello","title":"Hello, Ada"}'

The tokens are good for %[5]d hours. Ctrl-C ends the demo.
`, url, program(), ada, backend, int(demoTokenLife.Hours()))
}

// program is what the reader types to run this program again.
func program() string {
	if info, err := os.Stat("cmd/bellhop/main.go"); err == nil && !info.IsDir() {
		return "go run ./cmd/bellhop" // from the source, as the README begins
	}
	return "bellhop"
}
