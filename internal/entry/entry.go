package entry

import (
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// The kinds of entries. A number is never used again for another kind.
const (
	kindNone       = 0 // of an entry that this package cannot encode
	kindPublish    = 1
	kindRelease    = 2
	kindMark       = 3
	kindRecall     = 4
	kindCleanup    = 5
	kindGeneration = 6
	kindRevocation = 7
	kindTicket     = 8
	kindRedemption = 9
	kindWitness    = 10
	kindMembers    = 11
	kindUserTopics = 12
	kindErase      = 13
	kindDelivered  = 14

	kindPreferences = 15 // of a user
)

// version is that of every kind, but for the following ones.
const version = 1

// publishVersion is the version of a Publish that leaves users out, receiptVersion that of one
// that wants receipts, and tracedVersion that of one whose trace is recorded. All others are written as
// version 1, so that each value has one encoding.
const (
	publishVersion = 2
	receiptVersion = 3
	tracedVersion  = 4
)

// Append appends the encoding of e. An entry that is none of package notify's is encoded
// so that it is decoded as a notify.Unknown.
func Append(dst []byte, e notify.Entry) []byte {
	switch e := e.(type) {
	case notify.Publish:
		if e.Trace != nil {
			return appendTraced(append(dst, kindPublish, tracedVersion), &e)
		}
		if e.Receipt {
			return pack.AppendNames(appendPublish(append(dst, kindPublish, receiptVersion), &e), e.Except)
		}
		if len(e.Except) > 0 {
			return pack.AppendNames(appendPublish(append(dst, kindPublish, publishVersion), &e), e.Except)
		}
		return appendPublish(append(dst, kindPublish, version), &e)
	case notify.Release:
		dst = pack.AppendInstant(append(dst, kindRelease, version), e.Ref.At)
		return pack.AppendUint(dst, uint64(e.Ref.Sequence))
	case notify.Mark:
		return appendMark(append(dst, kindMark, version), &e)
	case notify.Recall:
		return appendRecall(append(dst, kindRecall, version), &e)
	case notify.Cleanup:
		dst = pack.AppendInt(append(dst, kindCleanup, version), int64(e.Retention))
		return pack.AppendInt(dst, e.MaxBytes)
	case notify.Generation:
		return appendGeneration(append(dst, kindGeneration, version), &e)
	case notify.Revocation:
		dst = pack.AppendString(append(dst, kindRevocation, version), e.User)
		dst = pack.AppendInstant(dst, e.Before)
		dst = pack.AppendString(dst, e.TokenID)
		return pack.AppendString(dst, e.Issuer)
	case notify.Ticket:
		dst = append(append(dst, kindTicket, version), e.Hash[:]...)
		return appendPrincipal(dst, &e.Principal)
	case notify.Redemption:
		return append(append(dst, kindRedemption, version), e.Hash[:]...)
	case notify.Witness:
		dst = pack.AppendString(append(dst, kindWitness, version), e.Node)
		return append(pack.AppendUint(dst, uint64(e.Sequence)), e.Hash[:]...)
	case notify.Members:
		dst = pack.AppendString(append(dst, kindMembers, version), e.Topic)
		dst = pack.AppendNames(pack.AppendNames(dst, e.Add), e.Remove)
		return pack.AppendInt(dst, e.MaxBytes)
	case notify.Delivered:
		return appendDelivered(append(dst, kindDelivered, version), &e)
	case notify.Erase:
		return pack.AppendString(pack.AppendString(append(dst, kindErase, version), e.User), e.From)
	case notify.UserTopics:
		dst = pack.AppendString(append(dst, kindUserTopics, version), e.User)
		return pack.AppendInt(appendBound(pack.AppendNames(dst, e.Topics), e.Within), e.MaxBytes)
	case notify.UserPreferences:
		return appendPreferences(append(dst, kindPreferences, version), &e)
	case notify.Unknown:
		return append(dst, e.Encoded...)
	}
	return pack.AppendString(append(dst, kindNone, version), fmt.Sprintf("%T", e))
}

// Decode returns the entry that b encodes, or a notify.Unknown. The entry keeps parts of b.
func Decode(b []byte) notify.Entry {
	if len(b) < 2 {
		return notify.Unknown{Reason: "it has less than two bytes", Encoded: b}
	}
	kind, v := b[0], b[1]
	r := pack.NewReader(b[2:])
	var e notify.Entry
	switch {
	case v == version:
		e = decodeKind(kind, r)
	case kind == kindPublish && v == publishVersion:
		e = readPublishWithExcept(r)
	case kind == kindPublish && v == receiptVersion:
		e = readPublishWithReceipt(r)
	case kind == kindPublish && v == tracedVersion:
		e = readTraced(r)
	default:
		return notify.Unknown{Reason: fmt.Sprintf("version %d of kind %d", v, kind), Newer: isNewer(kind, v), Encoded: b}
	}
	switch {
	case e == nil:
		return notify.Unknown{Reason: fmt.Sprintf("kind %d", kind), Newer: isNewer(kind, v), Encoded: b}
	case r.End() != nil:
		return notify.Unknown{Reason: fmt.Sprintf("malformed fields of kind %d", kind), Encoded: b}
	}
	return e
}

// isNewer reports whether a later version of the program may write entries of a kind and a
// version that this one cannot read.
func isNewer(kind, v byte) bool { return kind != kindNone && v != 0 }

func appendGeneration(dst []byte, e *notify.Generation) []byte {
	dst = pack.AppendUint(pack.AppendUint(dst, e.ID), uint64(e.First))
	return pack.AppendUint(append(dst, e.Secret[:]...), uint64(e.Rules))
}

// decodeKind reads the fields of an entry; nil: the kind is unknown.
func decodeKind(kind byte, r *pack.Reader) notify.Entry {
	switch kind {
	case kindPublish:
		return readPublish(r)
	case kindRelease:
		return notify.Release{Ref: notify.Deferred{At: r.Instant(), Sequence: notify.Sequence(r.Uint())}}
	case kindMark:
		return readMark(r)
	case kindRecall:
		return readRecall(r)
	case kindCleanup:
		return notify.Cleanup{Retention: time.Duration(r.Int()), MaxBytes: r.Int()}
	case kindGeneration:
		e := notify.Generation{ID: r.Uint(), First: notify.Sequence(r.Uint())}
		copy(e.Secret[:], r.Bytes(uint64(len(e.Secret))))
		e.Rules = r.Uint32()
		return e
	case kindRevocation:
		return notify.Revocation{User: notify.UserID(r.String()), Before: r.Instant(), TokenID: r.String(), Issuer: r.String()}
	case kindTicket:
		return notify.Ticket{Hash: readHash(r), Principal: readPrincipal(r)}
	case kindRedemption:
		return notify.Redemption{Hash: readHash(r)}
	case kindWitness:
		return notify.Witness{Node: r.String(), Sequence: notify.Sequence(r.Uint()), Hash: readHash(r)}
	case kindMembers:
		e := notify.Members{Topic: notify.Topic(r.String())}
		e.Add, e.Remove = pack.Names[notify.UserID](r), pack.Names[notify.UserID](r)
		e.MaxBytes = r.Int()
		return e
	case kindDelivered:
		return readDelivered(r)
	case kindErase:
		return notify.Erase{User: notify.UserID(r.String()), From: r.String()}
	case kindPreferences:
		return readPreferences(r)
	case kindUserTopics:
		return notify.UserTopics{
			User: notify.UserID(r.String()), Topics: pack.Names[notify.Topic](r), Within: readBound(r), MaxBytes: r.Int(),
		}
	}
	return nil
}

func readHash(r *pack.Reader) (hash [32]byte) {
	copy(hash[:], r.Bytes(uint64(len(hash))))
	return hash
}
