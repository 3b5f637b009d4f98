package cli

import (
	"context"
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
	"sync"
	"syscall"
	"time"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/webui"
)

// demoTokenLife is the lifetime of the tokens on the page and on the terminal. The
// page fetches new ones.
const demoTokenLife = 12 * time.Hour

type demoCommand struct {
	DataDir string `placeholder:"PATH" help:"directory of the store (default: a temporary directory, removed at the end)"`
	Listen  string `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"address of the listener (default 127.0.0.1:8080)"`

	AdminListen string `default:"127.0.0.1:0" placeholder:"ADDRESS" help:"address of the admin listener, which has the operators' console (default 127.0.0.1:0, a free port)"`
	Traffic     bool   `default:"true" negatable:"" help:"simulate users and a backend, so that the console has something to show (default true)"`
}

// Run runs the service with a random secret until it is interrupted. It serves the
// demo page and the operators' console, and prints their addresses and commands to try.
func (c *demoCommand) Run(t *terminal) (err error) {
	t.detach()
	catchHangups() // the demo reads no files again, so a SIGHUP has no effect
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = c.Listen, c.AdminListen
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
	log := t.newLog(slog.LevelWarn, cfg.LogFormat)
	defer log.Close()
	log.LevelActions() // those of the simulated operator would fill the terminal; the console shows them
	page := d.checkHost(webui.Demo(d.session, log.Logger))
	err = c.serve(t.ctx, cfg, app.Options{
		Log:       log,
		Pages:     map[string]http.Handler{"/": page, "/demo/*": page},
		Origins:   d.findOrigins,
		Listening: d.printIntroduction,
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; choose another port, or let the system choose one with --listen 127.0.0.1:0", err)
	}
	return err
}

// serve runs the service, and the simulated traffic as long as it serves.
func (c *demoCommand) serve(ctx context.Context, cfg *config.Config, o app.Options) error {
	simulated, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	introduce := o.Listening
	o.Listening = func(public, admin net.Addr) {
		introduce(public, admin)
		if c.Traffic {
			running.Go(func() { newTraffic(urlOf(public), []byte(cfg.JWTSecret[0])).run(simulated) })
		}
	}
	return app.Run(ctx, cfg, o)
}

type demo struct {
	secret  []byte
	stdout  io.Writer
	stderr  io.Writer
	origins []string // of the page; set before it is served
}

// findOrigins sets and returns the origins by which this machine reaches the page.
func (d *demo) findOrigins(public net.Addr) []string {
	host, port, err := net.SplitHostPort(public.String())
	if err != nil {
		return nil // a TCP address always has both
	}
	hosts := []string{"localhost", "127.0.0.1", "::1", host}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		hosts = hosts[:3]
		addrs, _ := net.InterfaceAddrs() // after an error the loopback addresses remain
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				hosts = append(hosts, n.IP.String())
			}
		}
	}
	for _, h := range hosts {
		d.origins = append(d.origins, "http://"+net.JoinHostPort(h, port))
	}
	return d.origins
}

// checkHost serves the page, which contains tokens, only if the Host header is one of
// the origins. This prevents DNS rebinding: another site whose name resolves to this
// machine gets no token.
func (d *demo) checkHost(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if !strings.Contains(strings.TrimPrefix(host, "["), ":") {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
		}
		if !slices.Contains(d.origins, "http://"+host) {
			http.Error(w, "The demo is not served under this host name.", http.StatusMisdirectedRequest)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// session signs the tokens of the page.
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

// printIntroduction prints the addresses of the pages, and two commands to try.
func (d *demo) printIntroduction(public, admin net.Addr) {
	ada, err := d.token("ada")
	backend, err2 := d.token("demo", notify.ScopePublish, notify.ScopeBroadcast)
	if err != nil || err2 != nil {
		fmt.Fprintln(d.stderr, "bellhop: sign a token:", err, err2)
		return
	}
	url := strings.Replace(d.origins[1], "127.0.0.1", "localhost", 1)
	if host, _, _ := net.SplitHostPort(public.String()); !net.ParseIP(host).IsUnspecified() {
		url = "http://" + public.String()
	}
	fmt.Fprintf(d.stdout, `bellhop demo: open %[1]s/
console: %[6]s/console

Listen as ada, in another terminal; this prints what she has, and then what she is sent:

  %[2]s listen --url %[1]s --token %[3]s --cursor earliest

Send her a notification:

  curl %[1]s/notify \
    -H 'Authorization: Bearer %[4]s' \
    -H 'Content-Type: application/json' \
    -d '{"to":{"users":["ada"]},"type":"hello","title":"Hello, Ada"}'

The tokens are valid for %[5]d hours. Ctrl-C ends the demo.
`, url, program(), ada, backend, int(demoTokenLife.Hours()), urlOf(admin))
}

// urlOf returns the URL by which this machine reaches a listener.
func urlOf(listener net.Addr) string {
	host, port, err := net.SplitHostPort(listener.String())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + listener.String()
}

// program returns the command that runs this program again.
func program() string {
	if info, err := os.Stat("cmd/bellhop/main.go"); err == nil && !info.IsDir() {
		return "go run ./cmd/bellhop" // run in a clone, as the README shows
	}
	return "bellhop"
}
