package peers

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// Deliver implements notify.Peers. If this node does not reach the others, n is delivered to no node.
func (c *Cluster) Deliver(_ context.Context, n *notify.Notification) error {
	if err := c.CutOff(); err != nil {
		return err
	}
	if err := c.o.Conn.Publish(c.subject("ephemeral"), c.appendEphemeral(nil, n)); err != nil {
		return notify.Unavailable(notify.CauseNodes, "the other nodes cannot be reached")
	}
	return c.local.Deliver(context.Background(), n)
}

// appendEphemeral encodes n as the entry that it would be if it were stored.
func (c *Cluster) appendEphemeral(dst []byte, n *notify.Notification) []byte {
	dst = pack.AppendInstant(c.begin(dst), n.Time)
	dst = pack.AppendInstant(dst, n.Expires)
	return entry.Append(dst, notify.Publish{
		ID: n.ID(), Audience: n.Audience, Users: n.Users, Topics: n.Topics, Except: n.Except, CollapseKey: n.CollapseKey, Content: n.Content, Ephemeral: true,
		Trace: n.Trace,
	})
}

func (c *Cluster) onEphemeral(m *nats.Msg) {
	r := pack.NewReader(m.Data)
	version, from := r.Byte(), r.String()
	at, expires := r.Instant(), r.Instant()
	e, ok := entry.Decode(r.Rest()).(notify.Publish)
	switch {
	case from == c.self.Instance && version == payloadVersion:
		return
	case version != payloadVersion || r.Err() != nil || !ok || !notify.IsEntryTime(at) || notify.Validate(e) != nil:
		c.ignore(m)
		return
	}
	e.Ephemeral = true
	n := e.Notification(0, at)
	n.Expires = expires
	_ = c.local.Deliver(context.Background(), &n) // never fails
}

// Connections implements notify.Peers.
func (c *Cluster) Connections(ctx context.Context, u notify.UserID) (notify.Connections, error) {
	all := notify.Connections{Open: c.local.connections(u)}
	all.Incomplete = c.ask(ctx, "connections", pack.AppendString(c.begin(nil), u), func(r *pack.Reader) {
		for range r.Count() {
			all.Open = append(all.Open, readConnection(r))
		}
	})
	slices.SortFunc(all.Open, func(a, b notify.Connection) int { return a.Since.Compare(b.Since) })
	return all, nil
}

func (c *Cluster) onConnections(m *nats.Msg) {
	r := c.request(m)
	if r == nil {
		return
	}
	u := notify.UserID(r.String())
	if r.End() != nil {
		c.ignore(m)
		return
	}
	open := c.local.connections(u)
	answer := pack.AppendUint(c.begin(nil), uint64(len(open)))
	for i := range open {
		answer = appendConnection(answer, &open[i])
	}
	_ = m.Respond(answer) // if the connection is lost, the node that asked reports this one as incomplete
}

func appendConnection(dst []byte, o *notify.Connection) []byte {
	dst = pack.AppendString(pack.AppendString(pack.AppendString(dst, o.ID), o.Transport), o.Node)
	address, _ := o.Address.MarshalBinary() // never fails
	return pack.AppendString(pack.AppendInstant(dst, o.Since), address)
}

func readConnection(r *pack.Reader) (o notify.Connection) {
	o.ID, o.Transport, o.Node = r.String(), r.String(), r.String()
	o.Since = r.Instant()
	var address netip.Addr
	if address.UnmarshalBinary(r.Sized()) == nil {
		o.Address = address
	}
	return o
}

// Disconnect implements notify.Peers.
func (c *Cluster) Disconnect(ctx context.Context, u notify.UserID, connection string) error {
	if err := c.local.Disconnect(ctx, u, connection); err != nil {
		return err
	}
	if c.CutOff() != nil || !c.o.Conn.IsConnected() {
		return notify.Unavailable(notify.CauseNodes, "the other nodes cannot be reached; only the connections of this node are closed")
	}
	request := pack.AppendString(pack.AppendString(c.begin(nil), u), connection)
	if missing := c.ask(ctx, "disconnect", request, func(*pack.Reader) {}); len(missing) > 0 {
		return notify.Errorf(notify.ErrOutcomeUnknown, "these nodes have not answered: %s; a retry does no harm", names(missing))
	}
	return nil
}

func names(all []string) string {
	const most = 3
	text := ""
	for i, name := range all {
		switch {
		case i == most:
			return text + " and others"
		case i > 0:
			text += ", "
		}
		text += name
	}
	return text
}

func (c *Cluster) onDisconnect(m *nats.Msg) {
	r := c.request(m)
	if r == nil {
		return
	}
	u, connection := notify.UserID(r.String()), r.String()
	if r.End() != nil {
		c.ignore(m)
		return
	}
	_ = c.local.Disconnect(context.Background(), u, connection) // never fails
	_ = m.Respond(c.begin(nil))
}

// begin begins a payload: with its version, and the instance that sends it.
func (c *Cluster) begin(dst []byte) []byte {
	return pack.AppendString(append(dst, payloadVersion), c.self.Instance)
}

// request reads the beginning of a request of another node. It returns nil for one of this node,
// and for one that it cannot read.
func (c *Cluster) request(m *nats.Msg) *pack.Reader {
	r := pack.NewReader(m.Data)
	switch version, from := r.Byte(), r.String(); {
	case version == payloadVersion && from == c.self.Instance:
		return nil
	case version != payloadVersion || from == "" || m.Reply == "":
		c.ignore(m)
		return nil
	}
	return r
}

// ignore logs a message that this node cannot read.
func (c *Cluster) ignore(m *nats.Msg) {
	c.o.Logger.Warn("ignored an unreadable message of another node", "subject", m.Subject, "bytes", len(m.Data))
}

// ask sends a request to all other nodes, calls read with each answer, and returns the names
// of the nodes that have not answered within answerTimeout or before ctx ended. If this node does
// not reach the others, it does not wait for them.
func (c *Cluster) ask(ctx context.Context, what string, request []byte, read func(*pack.Reader)) (missing []string) {
	waiting := map[string]string{} // names by instance
	for _, n := range c.others() {
		waiting[n.Instance] = n.Name
	}
	if len(waiting) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	inbox := c.o.Conn.NewRespInbox()
	answers, err := c.o.Conn.SubscribeSync(inbox)
	if err == nil {
		defer answers.Unsubscribe() //nolint:errcheck // it fails only if the connection is closed
		err = c.CutOff()
	}
	if err == nil {
		err = c.o.Conn.PublishRequest(c.subject(what), inbox, request)
	}
	for err == nil && len(waiting) > 0 {
		var m *nats.Msg
		if m, err = answers.NextMsgWithContext(ctx); err != nil {
			break
		}
		r := pack.NewReader(m.Data)
		version, instance := r.Byte(), r.String()
		if _, expected := waiting[instance]; version != payloadVersion || r.Err() != nil || !expected {
			continue // the answer of a node that has just joined
		}
		delete(waiting, instance)
		read(r)
	}
	for _, name := range waiting {
		missing = append(missing, name)
	}
	slices.Sort(missing)
	return missing
}

// Acquire implements notify.Lease. The holder is the node with the smallest name among those
// that are ready and were heard within three seconds. No server decides it: if the network
// between the nodes fails, two of them may hold the lease for a moment.
func (c *Cluster) Acquire(ctx context.Context) (held context.Context, release func(), err error) {
	tick := time.NewTicker(beatEvery / 2)
	defer tick.Stop()
	for !c.isHolder() {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-tick.C:
		}
	}
	lease, lose := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer lose()
		c.watchLease(lease)
	}()
	return lease, func() { lose(); <-done }, nil
}

// watchLease returns when this node has lost the lease, or ctx has ended.
func (c *Cluster) watchLease(ctx context.Context) {
	tick := time.NewTicker(beatEvery / 2)
	defer tick.Stop()
	for c.isHolder() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Cluster) isHolder() bool {
	if c.o.State().Fault != "" {
		return false
	}
	for _, n := range c.others() {
		if n.Name < c.o.Node && n.Fault == "" && isAlive(&n, leaseAfter) {
			return false
		}
	}
	return true
}
