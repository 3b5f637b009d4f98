// Command up starts a cluster to try: three NATS servers and three nodes of bellhop, on the
// loopback interface. It prints their addresses, tokens and commands, and stops everything at
// Ctrl-C. All data is removed at the end.
//
//	go run ./test/cluster/up
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/bellhop/bellhop/test/natsserver"
)

// nodes is the number of nodes of bellhop.
const nodes = 3

// readyTimeout is the time within which a node must be ready.
const readyTimeout = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./test/cluster/up\n\nStarts three NATS servers and three nodes on this machine, and stops them at Ctrl-C. It takes no arguments.")
		os.Exit(2) //nolint:forbidigo // main exits
	}
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:forbidigo // main exits
	}
}

// cluster is the running processes.
type cluster struct {
	program string // path of bellhop
	dir     string
	secret  string
	servers *natsserver.Cluster
	nodes   []*node
}

type node struct {
	name, public, admin string
	process             *exec.Cmd
	log                 string // path
}

func run(ctx context.Context, out io.Writer) (err error) {
	owner := &natsserver.Program{}
	defer owner.End()
	c := &cluster{dir: owner.TempDir(), secret: rand.Text() + rand.Text()}
	c.program = filepath.Join(c.dir, "bellhop")
	_, file, _, _ := runtime.Caller(0)
	build := exec.CommandContext(ctx, "go", "build", "-o", c.program, "./cmd/bellhop")
	build.Dir, build.Stderr = filepath.Join(filepath.Dir(file), "..", "..", ".."), os.Stderr
	fmt.Fprintln(out, "building bellhop and starting three NATS servers …")
	if err := build.Run(); err != nil {
		return fmt.Errorf("build bellhop: %w", err)
	}
	c.servers = natsserver.Start(owner, natsserver.Options{Servers: 3})
	defer func() { err = errors.Join(err, c.stop()) }()
	for i := range nodes {
		if err := c.start(ctx, fmt.Sprintf("node-%d", i+1)); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.waitReady(ctx); err != nil {
			return err
		}
	}
	if err := c.explain(ctx, out); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Fprintln(out, "\nstopping …")
	return nil
}

// start starts a node, which has a log and a data directory of its own.
func (c *cluster) start(ctx context.Context, name string) error {
	addresses, err := natsserver.FreeAddresses(ctx, 2)
	if err != nil {
		return err
	}
	n := &node{name: name, log: filepath.Join(c.dir, name+".log"), public: addresses[0], admin: addresses[1]}
	file, err := os.Create(n.log)
	if err != nil {
		return err
	}
	defer file.Close()
	monitors := make([]string, len(c.servers.Servers))
	for i, s := range c.servers.Servers {
		monitors[i] = s.Monitor
	}
	n.process = exec.Command(c.program, "serve")
	n.process.Stdout, n.process.Stderr = file, file
	n.process.SysProcAttr = ownGroup() // Ctrl-C in the terminal goes to this program only
	n.process.Env = append(os.Environ(),
		"BELLHOP_NODE="+name, "BELLHOP_LISTEN="+n.public, "BELLHOP_ADMIN_LISTEN="+n.admin, "BELLHOP_DATA_DIR="+filepath.Join(c.dir, name),
		"BELLHOP_JWT_SECRET="+c.secret, "BELLHOP_NATS_URL="+c.servers.URL, "BELLHOP_NATS_MONITOR="+strings.Join(monitors, ","),
		"BELLHOP_DRAIN_WINDOW=1")
	if err := n.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.nodes = append(c.nodes, n)
	return nil
}

// waitReady waits until /readyz answers 200.
func (n *node) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := &http.Client{Timeout: time.Second}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.public+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(n.log)
			return fmt.Errorf("%s is not ready: %w\n%s", n.name, ctx.Err(), text)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// explain prints what can be tried.
func (c *cluster) explain(ctx context.Context, out io.Writer) error {
	ada, err := c.token(ctx, "--user", "ada")
	if err != nil {
		return err
	}
	backend, err := c.token(ctx, "--user", "backend", "--scope", "notify:publish,notify:broadcast,notify:topics,notify:admin")
	if err != nil {
		return err
	}
	for i, s := range c.servers.Servers {
		fmt.Fprintf(out, "NATS %d   %s   monitoring %s\n", i+1, s.URL, s.Monitor)
	}
	for _, n := range c.nodes {
		fmt.Fprintf(out, "%s   http://%s   admin http://%s   log %s   process %d\n", n.name, n.public, n.admin, n.log, n.process.Process.Pid)
	}
	first, last := c.nodes[0], c.nodes[nodes-1]
	fmt.Fprintf(out, `
# listen as Ada on one node
%s listen --url http://%s --cursor earliest --token %s

# publish on another one, in a second terminal
curl http://%s/notify -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
  -d '{"to": {"users": ["ada"]}, "type": "test", "title": "from %s"}'

# see the cluster
%s cluster --admin http://%s

# lose a node: its clients can resume on any other one
kill -9 %d

Ctrl-C stops everything and removes the data.
`, c.program, last.public, ada, first.public, backend, first.name, c.program, first.admin, c.nodes[1].process.Process.Pid)
	return nil
}

func (c *cluster) token(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.program, append([]string{"token"}, args...)...)
	cmd.Env = append(os.Environ(), "BELLHOP_JWT_SECRET="+c.secret)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// stop stops the nodes and waits for them.
func (c *cluster) stop() error {
	for _, n := range c.nodes {
		_ = n.process.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	}
	for _, n := range c.nodes {
		_ = n.process.Wait() // it may have been killed
	}
	return nil
}
