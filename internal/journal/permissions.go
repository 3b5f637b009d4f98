package journal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrPermissions says that the NATS user of a node lacks permissions. Only an operator can change
// that.
var ErrPermissions = errors.New("NATS refuses what this node needs")

// Permissions checks that the NATS user of a node may do everything that a node ever does. Some of
// it is needed only after hours, such as to purge the journal behind a checkpoint, and NATS does not
// answer a request that it refuses: it reports the subject to the connection.
type Permissions struct {
	conn   *nats.Conn
	stream string
	peers  string // subject that begins those of the peers

	refused bool // by the last check
}

// NewPermissions returns the permissions of the user of a connection, for a stream and for peers
// whose subjects begin with peers.
func NewPermissions(conn *nats.Conn, stream, peers string) *Permissions {
	return &Permissions{conn: conn, stream: stream, peers: peers}
}

// Times of a check. NATS reports a refusal before it answers what came later, but the client library
// passes it on in a goroutine of its own.
const (
	echoTimeout = time.Second
	reportWait  = 100 * time.Millisecond
)

// Check returns an error of kind ErrPermissions that names what is refused, or another one if there
// is no connection. It changes nothing. If permissions were missing in the check before and none are
// now, it connects again, so that refused subscriptions are made again. One goroutine may
// call it.
func (p *Permissions) Check(ctx context.Context) error {
	if !p.conn.IsConnected() {
		return notConnected(p.conn)
	}
	refusals := &refusals{}
	before := p.conn.ErrorHandler()
	p.conn.SetErrorHandler(func(c *nats.Conn, s *nats.Subscription, err error) {
		refusals.note(err)
		before(c, s, err)
	})
	defer p.conn.SetErrorHandler(before)
	err := p.tryAll(ctx)
	if refused := refusals.all(); len(refused) > 0 {
		p.refused = true
		return fmt.Errorf("%w: to %s; give its user the permissions of the operating guide", ErrPermissions, list(refused))
	}
	if err != nil {
		return fmt.Errorf("check the permissions of NATS: %w", err)
	}
	if p.refused {
		p.refused = false
		return p.conn.ForceReconnect()
	}
	return nil
}

// tryAll publishes to all subjects and subscribes to all, and waits until NATS has reported what it
// refuses.
func (p *Permissions) tryAll(ctx context.Context) error {
	own := p.peers + "permission." + nats.NewInbox()[len(nats.InboxPrefix):]
	echo, err := p.conn.Subscribe(own, func(m *nats.Msg) { _ = m.Respond(nil) }) // if it fails, there is no answer
	if err != nil {
		return err
	}
	defer echo.Unsubscribe() //nolint:errcheck // it fails only if the connection is closed
	inbox := p.conn.NewInbox()
	answers, err := p.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer answers.Unsubscribe() //nolint:errcheck // as above
	for _, subject := range p.subjects() {
		m := &nats.Msg{Subject: subject, Data: harmlessFor(subject), Header: nats.Header{}}
		m.Header.Set(jetstream.ExpectedStreamHeader, "none")
		m.Header.Set(requiredLevel, "none")
		if err := p.conn.PublishMsg(m); err != nil {
			return err
		}
	}
	if err := p.conn.PublishRequest(own, inbox, nil); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, echoTimeout)
	defer cancel()
	_, err = answers.NextMsgWithContext(waiting)
	sleep(ctx, reportWait)
	return err
}

// requiredLevel is the header of the level of the API that a request needs. JetStream refuses a request
// for a level that no server has.
const requiredLevel = "Nats-Required-Api-Level"

// harmlessFor returns the content of a message that changes nothing, even on a server that does not
// know requiredLevel. A stream does not store a message that expects another stream. A purge without a
// content, or with one that is not JSON, would remove everything: this one means the messages of the
// subject "none" before the first. A consumer must be for the stream that its subject names.
func harmlessFor(subject string) []byte {
	if strings.HasPrefix(subject, "$JS.API.CONSUMER.CREATE.") {
		return []byte(`{"stream_name":"none"}`)
	}
	return []byte(`{"filter":"none","seq":1}`)
}

// subjects returns those to which a node publishes.
func (p *Permissions) subjects() []string {
	objects, object := "OBJ_"+bucketOf(p.stream), "$O."+bucketOf(p.stream)
	all := []string{
		subjectOf(p.stream),
		object + ".C.permission", object + ".M.permission",
		"$JS.API.STREAM.MSG.GET." + p.stream,
		"$JS.API.DIRECT.GET." + objects, "$JS.API.DIRECT.GET." + objects + "." + object + ".M.permission",
	}
	for _, stream := range []string{p.stream, objects} {
		for _, do := range []string{"INFO", "CREATE", "PURGE"} {
			all = append(all, "$JS.API.STREAM."+do+"."+stream)
		}
	}
	for _, do := range []string{"CREATE", "INFO", "DELETE", "MSG.NEXT"} {
		all = append(all, "$JS.API.CONSUMER."+do+"."+p.stream+".permission")
	}
	return all
}

// refusals are what NATS has refused during a check.
type refusals struct {
	mu  sync.Mutex
	did map[string]bool
}

// note notes an error of the connection if it is a refusal.
func (r *refusals) note(err error) {
	found := regexp.MustCompile(`(?i)violation for (publish|subscription) to "([^"]*)"`).FindStringSubmatch(err.Error())
	if !errors.Is(err, nats.ErrPermissionViolation) || found == nil {
		return
	}
	verb := "publish to "
	if strings.EqualFold(found[1], "subscription") {
		verb = "subscribe to "
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.did == nil {
		r.did = map[string]bool{}
	}
	r.did[verb+withoutToken(found[2])] = true
}

// withoutToken returns a subject without the random part of one, which would make each report a new
// one.
func withoutToken(subject string) string {
	if strings.HasPrefix(subject, nats.InboxPrefix) {
		return nats.InboxPrefix + ">"
	}
	if before, _, found := strings.Cut(subject, ".permission"); found {
		return before + ".>"
	}
	return subject
}

// all returns what was refused, in words.
func (r *refusals) all() (refused []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what := range r.did {
		refused = append(refused, what)
	}
	slices.Sort(refused)
	return refused
}

// maxListed is the number of refusals that a message names.
const maxListed = 4

func list(refused []string) string {
	text := strings.Join(refused[:min(len(refused), maxListed)], ", to ")
	if more := len(refused) - maxListed; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
