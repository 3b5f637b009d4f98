package entry

import (
	"math"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

func appendPublish(dst []byte, e *notify.Publish) []byte {
	dst = pack.AppendString(dst, e.By)
	dst = pack.AppendString(dst, e.ID)
	dst = pack.AppendString(dst, e.Audience)
	dst = pack.AppendNames(dst, e.Users)
	dst = pack.AppendNames(dst, e.Topics)
	dst = pack.AppendString(dst, e.CollapseKey)
	dst = pack.AppendString(dst, e.Content)
	dst = pack.AppendInt(dst, int64(e.TTL))
	dst = pack.AppendBool(dst, e.Ephemeral)
	dst = pack.AppendInstant(dst, e.DeliverAt)
	keyed := e.Key != notify.Key{}
	dst = pack.AppendBool(dst, keyed)
	if keyed {
		dst = append(append(dst, e.Key.Name[:]...), e.Key.Fingerprint[:]...)
	}
	dst = pack.AppendInt(dst, int64(e.Keep))
	return pack.AppendInt(dst, e.MaxBytes)
}

func readPublish(r *pack.Reader) notify.Publish {
	e := notify.Publish{By: r.String(), ID: r.String(), Audience: notify.Audience(r.String())}
	e.Users, e.Topics = pack.Names[notify.UserID](r), pack.Names[notify.Topic](r)
	e.CollapseKey = r.String()
	if content := r.Sized(); len(content) > 0 {
		e.Content = content
	}
	e.TTL, e.Ephemeral, e.DeliverAt = time.Duration(r.Int()), r.Bool(), r.Instant()
	if r.Bool() {
		e.Key = notify.Key{Name: readHash(r), Fingerprint: readHash(r)}
		if e.Key == (notify.Key{}) {
			r.Fail() // that is written as no key
		}
	}
	e.Keep, e.MaxBytes = int(r.Int()), r.Int()
	return e
}

func readPublishWithExcept(r *pack.Reader) notify.Publish {
	e := readPublish(r)
	if e.Except = pack.Names[notify.UserID](r); len(e.Except) == 0 {
		r.Fail() // that is version 1
	}
	return e
}

func readPublishWithReceipt(r *pack.Reader) notify.Publish {
	e := readPublish(r)
	e.Except, e.Receipt = pack.Names[notify.UserID](r), true
	return e
}

func appendTraced(dst []byte, e *notify.Publish) []byte {
	dst = pack.AppendBool(pack.AppendNames(appendPublish(dst, e), e.Except), e.Receipt)
	return append(append(dst, e.Trace.ID[:]...), e.Trace.Span[:]...)
}

func readTraced(r *pack.Reader) notify.Publish {
	e := readPublish(r)
	e.Except, e.Receipt = pack.Names[notify.UserID](r), r.Bool()
	e.Trace = &notify.Trace{}
	copy(e.Trace.ID[:], r.Bytes(uint64(len(e.Trace.ID))))
	copy(e.Trace.Span[:], r.Bytes(uint64(len(e.Trace.Span))))
	return e
}

func appendDelivered(dst []byte, e *notify.Delivered) []byte {
	dst = pack.AppendInt(dst, e.MaxBytes)
	dst = pack.AppendUint(dst, uint64(len(e.Deliveries)))
	for _, d := range e.Deliveries {
		dst = pack.AppendUint(pack.AppendString(dst, d.User), uint64(d.Sequence))
	}
	return dst
}

func readDelivered(r *pack.Reader) notify.Delivered {
	e := notify.Delivered{MaxBytes: r.Int()}
	for range r.Count() {
		e.Deliveries = append(e.Deliveries, notify.Delivery{User: notify.UserID(r.String()), Sequence: notify.Sequence(r.Uint())})
	}
	return e
}

func appendPreferences(dst []byte, e *notify.UserPreferences) []byte {
	dst = pack.AppendString(dst, e.User)
	dst = pack.AppendUint(dst, uint64(len(e.Rules)))
	for _, r := range e.Rules {
		dst = pack.AppendString(pack.AppendString(pack.AppendString(dst, r.Type), r.Topic), r.Level)
	}
	dst = pack.AppendBool(dst, e.Quiet != nil)
	if q := e.Quiet; q != nil {
		dst = pack.AppendString(pack.AppendUint(pack.AppendUint(dst, uint64(q.From)), uint64(q.To)), q.Zone)
	}
	return pack.AppendInt(dst, e.MaxBytes)
}

func readPreferences(r *pack.Reader) notify.UserPreferences {
	e := notify.UserPreferences{User: notify.UserID(r.String())}
	for range r.Count() {
		e.Rules = append(e.Rules, notify.PreferenceRule{
			Type: notify.TypePattern(r.String()), Topic: notify.TopicPattern(r.String()), Level: notify.Level(r.String()),
		})
	}
	if r.Bool() {
		e.Quiet = &notify.Quiet{From: readTimeOfDay(r), To: readTimeOfDay(r), Zone: r.String()}
	}
	e.MaxBytes = r.Int()
	return e
}

func readTimeOfDay(r *pack.Reader) notify.TimeOfDay {
	n := r.Uint()
	if n > math.MaxUint16 {
		r.Fail()
	}
	return notify.TimeOfDay(n) //nolint:gosec // checked above
}

// appendMark tells a Mark without IDs from one with none.
func appendMark(dst []byte, e *notify.Mark) []byte {
	dst = pack.AppendString(dst, e.Reader.User)
	dst = pack.AppendInstant(dst, e.Reader.Since)
	dst = pack.AppendNames(dst, e.Reader.Topics)
	dst = pack.AppendString(dst, e.Verb)
	dst = pack.AppendBool(dst, e.IDs != nil)
	if e.IDs != nil {
		dst = pack.AppendNames(dst, e.IDs)
	}
	dst = pack.AppendUint(dst, uint64(e.Through))
	dst = pack.AppendString(dst, e.From.Task)
	dst = pack.AppendUint(dst, uint64(e.From.After))
	return pack.AppendInt(dst, int64(e.Keep))
}

func readMark(r *pack.Reader) notify.Mark {
	var e notify.Mark
	e.Reader = notify.Reader{User: notify.UserID(r.String()), Since: r.Instant(), Topics: pack.Names[notify.TopicPattern](r)}
	e.Verb = notify.Verb(r.String())
	if r.Bool() {
		if e.IDs = pack.Names[string](r); e.IDs == nil {
			e.IDs = []string{}
		}
	}
	e.Through = notify.Sequence(r.Uint())
	e.From = notify.MarkPosition{Task: r.String(), After: notify.Sequence(r.Uint())}
	e.Keep = int(r.Int())
	return e
}

func appendRecall(dst []byte, e *notify.Recall) []byte {
	dst = pack.AppendString(dst, e.ID)
	return pack.AppendInt(appendBound(dst, e.Within), int64(e.Keep))
}

func appendBound(dst []byte, b *notify.Bound) []byte {
	dst = pack.AppendBool(dst, b != nil)
	if b == nil {
		return dst
	}
	dst = pack.AppendNames(pack.AppendString(dst, b.Prefix), b.Topics)
	return pack.AppendBool(dst, b.AnyTopic)
}

func readBound(r *pack.Reader) *notify.Bound {
	if !r.Bool() {
		return nil
	}
	return &notify.Bound{Prefix: r.String(), Topics: pack.Names[notify.TopicPattern](r), AnyTopic: r.Bool()}
}

func readRecall(r *pack.Reader) notify.Recall {
	return notify.Recall{ID: r.String(), Within: readBound(r), Keep: int(r.Int())}
}

// appendPrincipal encodes of an issuer the name and the version, by which it is found
// again. Its bound is that of its configuration.
func appendPrincipal(dst []byte, p *notify.Principal) []byte {
	dst = pack.AppendBool(dst, p.Issuer != nil)
	if p.Issuer != nil {
		dst = append(pack.AppendString(dst, p.Issuer.Name), p.Issuer.Version[:]...)
	}
	dst = pack.AppendString(dst, p.User)
	dst = pack.AppendString(dst, p.Name)
	dst = pack.AppendNames(dst, p.Scopes)
	dst = pack.AppendNames(dst, p.Topics)
	dst = pack.AppendInstant(dst, p.Since)
	dst = pack.AppendInstant(dst, p.Expires)
	dst = pack.AppendInt(dst, int64(p.TopicsIgnored))
	dst = pack.AppendInstant(dst, p.Issued)
	return pack.AppendString(dst, p.TokenID)
}

func readPrincipal(r *pack.Reader) notify.Principal {
	var p notify.Principal
	if r.Bool() {
		p.Issuer = &notify.Issuer{Name: r.String()}
		copy(p.Issuer.Version[:], r.Bytes(uint64(len(p.Issuer.Version))))
	}
	p.User, p.Name = notify.UserID(r.String()), r.String()
	p.Scopes, p.Topics = pack.Names[notify.Scope](r), pack.Names[notify.TopicPattern](r)
	p.Since, p.Expires = r.Instant(), r.Instant()
	p.TopicsIgnored = int(r.Int())
	p.Issued, p.TokenID = r.Instant(), r.String()
	return p
}
