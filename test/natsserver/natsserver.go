// Package natsserver starts NATS servers with JetStream for tests: processes of the version in
// test/tools/go.mod, on ports of the loopback interface, with the configuration of
// test/deploy/nats. They can be killed, paused and started again. When the test ends, they are
// killed and their files are removed.
package natsserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/test/deploy"
	"github.com/bellhop/bellhop/test/slow"
)

// Options are the options of Start.
type Options struct {
	// Servers is 1 or 3. Three form a cluster, and so can keep three replicas.
	Servers int

	// Secure makes the servers require TLS and keys of users, with the permissions of
	// test/deploy/nats/users.conf.
	Secure bool

	// Accounts is the number of accounts besides the one of users.conf, each with a user who has
	// the permissions of a node. They share nothing: each can have a stream BELLHOP. It needs
	// three secure servers.
	Accounts int

	// Keyed makes the servers know the user with the key of NodeFile, to whom Refuse refuses
	// subjects. Others need no key. It cannot be combined with Secure.
	Keyed bool

	// Unsynced makes the servers sync their files every two minutes, as NATS does by default.
	// It has no effect on three secure servers.
	Unsynced bool

	// Hosts are where the servers run, one for each. If there are none, all run on the
	// loopback interface.
	Hosts []Host
}

// Host is a machine, or a network namespace of this one.
type Host struct {
	Address string   // IP address
	Command []string // runs a program there: its words come before those of the program
}

// Cluster is a number of NATS servers that form one service.
type Cluster struct {
	Servers []*Server
	URL     string // of all servers, comma-separated

	// Files of secure servers, otherwise empty. Keyed servers have NodeFile, too.
	CAFile       string
	NodeFile     string // credentials of a node of the service
	OperatorFile string // credentials of an operator, who may do everything

	// NodeFiles are credentials of a node in each of the further accounts.
	NodeFiles []string

	dir string
}

// Server is one NATS server. Its methods may be called by one goroutine at a time.
type Server struct {
	Name     string
	URL      string
	Monitor  string // URL of the monitoring port
	StoreDir string // of JetStream

	command []string
	environ []string
	dir     string
	process *exec.Cmd // nil: not running
}

// Start starts servers and returns when they have elected a leader.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{dir: t.TempDir()}
	addresses := addressesOf(t, o)
	secrets := filepath.Join(c.dir, "secrets")
	if o.Secure || o.Keyed {
		c.makeSecrets(t, secrets, o, addresses)
	}
	if o.Accounts > 0 {
		c.addAccounts(t, secrets, o.Accounts)
	}
	var routes, urls []string
	for _, a := range addresses {
		routes = append(routes, "nats://"+a.cluster)
	}
	program := binary(t)
	for i, a := range addresses {
		s := &Server{
			Name:    fmt.Sprintf("nats-%d", i+1),
			URL:     "nats://" + a.clients,
			Monitor: "http://" + a.monitor,
		}
		s.dir = filepath.Join(c.dir, s.Name)
		s.StoreDir = filepath.Join(s.dir, "store")
		s.command = append(a.command, program, "-c", c.configuration(t, o, s))
		s.environ = append(os.Environ(), "NATS_NAME="+s.Name, "NATS_LISTEN="+a.clients, "NATS_MONITOR="+a.monitor,
			"NATS_CLUSTER="+a.cluster, "NATS_ROUTES=["+strings.Join(routes, ", ")+"]", "NATS_STORE="+s.StoreDir)
		if o.Secure || o.Keyed {
			s.environ = append(s.environ, secretsEnvironment(t, secrets)...)
		}
		c.Servers, urls = append(c.Servers, s), append(urls, s.URL)
		t.Cleanup(func() { s.end(t) })
		s.Start(t)
	}
	c.URL = strings.Join(urls, ",")
	c.WaitForLeader(t)
	return c
}

// plain is the configuration without TLS, users and permissions.
const plain = `
server_name: $NATS_NAME
listen: $NATS_LISTEN
http: $NATS_MONITOR
jetstream { store_dir: $NATS_STORE, sync_interval: always }
`

const plainCluster = `
cluster { name: bellhop, listen: $NATS_CLUSTER, routes: $NATS_ROUTES }
`

// configuration returns the path of the configuration of s.
func (c *Cluster) configuration(t testing.TB, o Options, s *Server) string {
	t.Helper()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if o.Secure && o.Servers > 1 {
		if o.Accounts > 0 {
			return filepath.Join(c.dir, "nats.conf")
		}
		return filepath.Join(deploy.Dir(), "nats", "nats.conf")
	}
	text := plain
	if o.Unsynced {
		text = strings.Replace(text, ", sync_interval: always", "", 1)
	}
	if o.Servers > 1 {
		text += plainCluster
	}
	if o.Keyed {
		text += "include ./users.conf\n"
		s.writeUsers(t)
	}
	if o.Secure {
		text += "tls { cert_file: $NATS_CERT, key_file: $NATS_KEY, ca_file: $NATS_CA }\ninclude ./users.conf\n"
		users, err := os.ReadFile(filepath.Join(deploy.Dir(), "nats", "users.conf"))
		if err == nil {
			err = os.WriteFile(filepath.Join(s.dir, "users.conf"), users, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(s.dir, "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// makeSecrets makes the keys of users in dir, and for secure servers the certificates.
func (c *Cluster) makeSecrets(t testing.TB, dir string, o Options, of []addresses) {
	t.Helper()
	var hosts []string
	for _, a := range of {
		host, _, _ := strings.Cut(a.clients, ":")
		hosts = append(hosts, host)
	}
	if err := deploy.Secrets(dir, hosts...); err != nil {
		t.Fatal(err)
	}
	c.NodeFile = filepath.Join(dir, "node.nk")
	if o.Secure {
		c.CAFile, c.OperatorFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "operator.nk")
	}
}

func secretsEnvironment(t testing.TB, dir string) []string {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(dir, "nkeys.env"))
	if err != nil {
		t.Fatal(err)
	}
	return append(strings.Fields(string(keys)), "NATS_CA="+filepath.Join(dir, "ca.pem"),
		"NATS_CERT="+filepath.Join(dir, "nats.pem"), "NATS_KEY="+filepath.Join(dir, "nats.key"))
}

// binary returns the path of the nats-server program, which it builds if need be.
func binary(t testing.TB) string {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+filepath.Join(deploy.Dir(), "..", "tools", "go.mod"), "-n", "nats-server")
	var said strings.Builder
	build.Dir, build.Stderr = deploy.Dir(), &said // in another module, or none, there is no such tool
	out, err := build.Output()
	if err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, &said)
	}
	return strings.TrimSpace(string(out))
}

// Connect returns a connection to all servers, with the rights of an operator. It reconnects
// for ever, and is closed when the test ends.
func (c *Cluster) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	options := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true)}
	if c.CAFile != "" {
		key, err := nats.NkeyOptionFromSeed(c.OperatorFile)
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, key, nats.RootCAs(c.CAFile))
	}
	conn, err := nats.Connect(c.URL, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// StreamLeader returns the name of the server that leads a stream, empty if there is none.
func (c *Cluster) StreamLeader(t testing.TB, stream string) (string, error) {
	t.Helper()
	conn := c.Connect(t)
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return "", err
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		return "", err
	}
	if cluster := s.CachedInfo().Cluster; cluster != nil {
		return cluster.Leader, nil
	}
	return "", nil
}

// Named returns the server with a name, such as that of a stream's leader.
func (c *Cluster) Named(t testing.TB, name string) *Server {
	t.Helper()
	for _, s := range c.Servers {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no server named %q", name)
	return nil
}

// Start starts the server, which must not be running, with the files that it has.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ, log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", s.Name, err)
	}
	s.process = cmd
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// Log returns what the server has logged.
func (s *Server) Log(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Kill ends the server at once, as a crash does. Its files stay as they are.
func (s *Server) Kill(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGKILL); s.wait() }

// Stop ends the server in order.
func (s *Server) Stop(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGTERM); s.wait() }

// WaitEnd waits until the server has ended by itself.
func (s *Server) WaitEnd(t testing.TB, timeout time.Duration) {
	t.Helper()
	kill := time.AfterFunc(timeout, func() { _ = s.process.Process.Kill() }) // it may have ended
	s.wait()
	if !kill.Stop() {
		t.Fatalf("%s has not ended by itself within %v", s.Name, timeout)
	}
}

// Pause makes the server stand still until Resume: its connections stay open, and nothing
// answers.
func (s *Server) Pause(t testing.TB) { t.Helper(); s.do(t, "pause", slow.Pause) }

// Resume continues a paused server.
func (s *Server) Resume(t testing.TB) { t.Helper(); s.do(t, "resume", slow.Resume) }

// PID returns the ID of the process, which must be running.
func (s *Server) PID() int { return s.process.Process.Pid }

// Running reports whether the server was started and not ended.
func (s *Server) Running() bool { return s.process != nil }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	s.do(t, sig.String(), func(p *os.Process) error { return p.Signal(sig) })
}

// do acts on the process, which must be running.
func (s *Server) do(t testing.TB, what string, act func(*os.Process) error) {
	t.Helper()
	if s.process == nil {
		t.Fatalf("%s is not running", s.Name)
	}
	if err := act(s.process.Process); err != nil {
		t.Fatalf("%s %s: %v", what, s.Name, err)
	}
}

func (s *Server) wait() {
	_ = s.process.Wait() // its exit status says nothing after a signal
	s.process = nil
}

// end kills the server if it runs, and shows its log if the test has failed.
func (s *Server) end(t testing.TB) {
	t.Helper()
	if s.process != nil {
		s.Kill(t)
	}
	if t.Failed() {
		log := s.Log(t)
		t.Logf("log of %s (its end):\n%s", s.Name, log[max(0, len(log)-8000):])
	}
}
