package journal

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bellhop/bellhop/internal/nowait"
	"github.com/bellhop/bellhop/internal/watch"
)

// ConnOptions configure the connection to the NATS servers.
type ConnOptions struct {
	URLs            []string // of any of the servers; the others are learnt from them
	CredentialsFile string   // of the user: a .creds file, or the seed of an nkey; empty: none
	CAFile          string   // certificates that sign those of the servers; empty: those of the machine
	Node            string   // name of this node, which NATS shows to its operators
	Logger          *slog.Logger
}

// Times of a connection to NATS. A server that does not answer two pings is left for
// another one, after 3 to 4.5 seconds.
const (
	dialTimeout       = 2 * time.Second
	serverPingEvery   = 1500 * time.Millisecond
	maxPingsOut       = 2
	reconnectWait     = 250 * time.Millisecond
	reconnectJitter   = 250 * time.Millisecond
	connectionDrained = 2 * time.Second
)

// Connect returns a connection that connects again by itself for as long as it is open,
// also if no server can be reached yet. Nothing is buffered while it is not connected: a
// message fails immediately, so that it is certain that nothing was sent. An error is one
// of the options.
//
// The caller must call closeConn, which closes the connection. When it returns, nothing is
// logged any more: the Close method of the connection does not wait for its goroutines.
func Connect(o ConnOptions) (conn *nats.Conn, closeConn func(), err error) {
	log := &connLog{logger: o.Logger, closed: make(chan struct{})}
	options := []nats.Option{
		nats.Name("bellhop " + o.Node),
		nats.Timeout(dialTimeout),
		nats.SetCustomDialer(nowait.Dialer{Timeout: dialTimeout}),
		nats.FlusherTimeout(dialTimeout),
		nats.PingInterval(serverPingEvery),
		nats.MaxPingsOutstanding(maxPingsOut),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be corrected on the servers
		nats.DrainTimeout(connectionDrained),
		nats.ConnectHandler(log.connected),
		nats.ReconnectHandler(log.connected),
		nats.DisconnectErrHandler(log.disconnected),
		nats.ReconnectErrHandler(log.notConnected),
		nats.ErrorHandler(log.error),
		nats.ClosedHandler(log.close),
	}
	if o.CredentialsFile != "" {
		credentials, err := credentialsIn(o.CredentialsFile)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, credentials)
	}
	if o.CAFile != "" {
		if err := checkCA(o.CAFile); err != nil {
			return nil, nil, err
		}
		options = append(options, nats.RootCAs(o.CAFile))
	}
	conn, err = nats.Connect(strings.Join(o.URLs, ","), options...)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return conn, func() { conn.Close(); <-log.closed }, nil
}

// credentialsIn returns the option for a file with credentials.
func credentialsIn(file string) (nats.Option, error) {
	content, err := watch.Read(file, maxConnFile)
	if err != nil {
		return nil, fmt.Errorf("read the credentials for NATS in %s: %w", file, err)
	}
	if bytes.Contains(content, []byte("BEGIN NATS USER JWT")) {
		return nats.UserCredentials(file), nil
	}
	key, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		return nil, fmt.Errorf("%s has neither the credentials of a NATS user nor the seed of an nkey: %w", file, err)
	}
	return key, nil
}

// maxConnFile is the maximum size of a file of credentials or certificates.
const maxConnFile = 1 << 20

// checkCA returns an error unless a file has certificates.
func checkCA(file string) error {
	content, err := watch.Read(file, maxConnFile)
	if err != nil {
		return fmt.Errorf("read the certificates for NATS in %s: %w", file, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return fmt.Errorf("%s has no certificate in PEM form", file)
	}
	return nil
}

// FileMistakes has an error for each file of ConnOptions, nil if it has no mistake or is not
// set.
type FileMistakes struct{ Credentials, CA error }

// CheckFiles reads the files that o names, as Connect does, so that their mistakes can be
// reported together with those of other settings.
func CheckFiles(o ConnOptions) (wrong FileMistakes) {
	if o.CredentialsFile != "" {
		_, wrong.Credentials = credentialsIn(o.CredentialsFile)
	}
	if o.CAFile != "" {
		wrong.CA = checkCA(o.CAFile)
	}
	return wrong
}

// connLog logs what happens to a connection, until that is closed. The library calls the
// methods one after another, each in the same goroutine.
type connLog struct {
	logger *slog.Logger
	closed chan struct{} // closed with the connection

	mu     sync.Mutex
	failed string    // the last failed attempt to connect; guarded by mu
	logged time.Time // when it was logged; guarded by mu

	refused      map[string]bool // errors of permissions that were logged since refusedSince; guarded by mu
	refusedSince time.Time       // guarded by mu
}

// failureLoggedEvery is the interval at which a failure to connect is logged again.
const failureLoggedEvery = time.Minute

// close is called once. A failed attempt to connect can still be reported after it.
func (l *connLog) close(*nats.Conn) {
	l.logger = slog.New(slog.DiscardHandler)
	close(l.closed)
}

func (l *connLog) connected(c *nats.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = ""
	l.logger.Info("connected to NATS", "server", c.ConnectedUrlRedacted(), "cluster", c.ConnectedClusterName())
}

func (l *connLog) disconnected(_ *nats.Conn, err error) {
	if err != nil { // otherwise this process has closed the connection
		l.logger.Warn("the connection to NATS is lost; connecting again", "error", err)
	}
}

func (l *connLog) notConnected(_ *nats.Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || err.Error() == l.failed && time.Since(l.logged) < failureLoggedEvery {
		return
	}
	l.failed, l.logged = err.Error(), time.Now()
	l.logger.Warn("no connection to NATS; trying again", "error", err)
}

func (l *connLog) error(_ *nats.Conn, _ *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		if l.isRepeated(err) {
			return
		}
		l.logger.Error("NATS refused a subject; give the NATS user the permissions of the operating guide", "error", err)
		return
	}
	l.logger.Warn("NATS reported an error", "error", err)
}

// isRepeated reports whether err was logged within failureLoggedEvery. A node without a
// permission is refused the same subjects every second.
func (l *connLog) isRepeated(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.refusedSince) >= failureLoggedEvery {
		l.refused, l.refusedSince = map[string]bool{}, time.Now()
	}
	repeated := l.refused[err.Error()]
	l.refused[err.Error()] = true
	return repeated
}

// connState is the state of the connection to NATS. A connection is locked while it dials, for up
// to dialTimeout, and a caller waits. So one goroutine asks it, and the others read the
// answer: publishers have their answer in time, and a node turns unready in time.
type connState struct {
	connected  bool
	err        error  // the last one, if it is not connected
	server     string // URL, if it is connected
	maxPayload int64  // of a message, if it is connected; 0: not known
}

func lookAt(c *nats.Conn) connState {
	if !c.IsConnected() {
		return connState{err: c.LastError()}
	}
	return connState{connected: true, server: c.ConnectedUrlRedacted(), maxPayload: c.MaxPayload()}
}
