package wire

import (
	"bytes"
	"crypto/sha256"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// Draft reads the body of POST /notify, or the data of a publish command. The
// error is of kind ErrMalformed if the body is no strict JSON, and of kind
// ErrInvalid, with every fault that was found, if its members are unknown or
// of the wrong type. Whether their values keep the rules is for Draft.Check.
func Draft(body []byte) (notify.Draft, error) {
	v, err := strict(body)
	if err != nil {
		return notify.Draft{}, err
	}
	return draft(v)
}

// BatchItem is one item of a batch: a draft, or why it is none.
type BatchItem struct {
	Draft notify.Draft
	Err   error
}

// Batch reads the body of POST /notify/batch. A fault inside one item is that
// item's own; the error is about the body as a whole.
func Batch(body []byte) ([]BatchItem, error) {
	v, err := strict(body)
	if err != nil {
		return nil, err
	}
	var r reader
	var batch []BatchItem
	recipients := 0
	r.members("", v, func(name string, v jsontext.Value) {
		if name != "notifications" {
			r.unknown("", name)
			return
		}
		r.items("/notifications", v, func(_ int, v jsontext.Value) {
			if len(batch) > notify.MaxBatch {
				return // enough to know that they are too many
			}
			d, err := draft(v)
			recipients += len(d.Users)
			batch = append(batch, BatchItem{d, err})
		})
	})
	switch {
	case len(r.faults) > 0:
	case len(batch) == 0:
		r.fault("/notifications", "must have at least one item")
	case len(batch) > notify.MaxBatch:
		r.fault("/notifications", "must have at most %d items", notify.MaxBatch)
	case recipients > notify.MaxBatchRecipients:
		r.fault("/notifications", "must have at most %d recipients in all", notify.MaxBatchRecipients)
	}
	if len(r.faults) > 0 {
		return nil, notify.Invalid(r.faults...)
	}
	return batch, nil
}

// later are the members that the contract has and this service does not do
// yet. They are refused by name rather than ignored.
var later = []string{"collapse_key", "deliver_at"}

func draft(v jsontext.Value) (notify.Draft, error) {
	var r reader
	d := notify.Draft{Priority: notify.PriorityNormal}
	r.members("", v, func(name string, v jsontext.Value) {
		switch name {
		case "to":
			r.to(&d, v)
		case "type":
			d.Type = r.text("/type", v)
		case "title":
			d.Title = r.text("/title", v)
		case "body":
			d.Body = r.text("/body", v)
		case "data":
			d.Data = r.object("/data", v)
		case "ttl":
			d.TTL = r.seconds("/ttl", v)
		case "priority":
			d.Priority = notify.Priority(r.text("/priority", v))
		case "ephemeral":
			d.Ephemeral = r.truth("/ephemeral", v)
		default:
			if slices.Contains(later, name) {
				r.fault("/"+name, "is not supported yet")
				return
			}
			r.unknown("", name)
		}
	})
	if len(r.faults) > 0 {
		return d, notify.Invalid(r.faults...)
	}
	d.Fingerprint = fingerprint(v)
	return d, nil
}

func (r *reader) to(d *notify.Draft, v jsontext.Value) {
	given := 0
	r.members("/to", v, func(name string, v jsontext.Value) {
		given++
		switch name {
		case "users":
			d.Users = r.users(v)
		case "all":
			if d.All = r.truth("/to/all", v); !d.All {
				r.fault("/to/all", "must be true or absent")
			}
		case "topics":
			r.fault("/to/topics", "is not supported yet")
		default:
			r.unknown("/to", name)
		}
	})
	if v.Kind() == '{' && given != 1 {
		r.fault("/to", "must hold exactly one of users and all")
	}
}

func (r *reader) users(v jsontext.Value) []notify.UserID {
	var users []notify.UserID
	r.items("/to/users", v, func(i int, v jsontext.Value) {
		if len(users) <= notify.MaxUsers && len(r.faults) == 0 { // enough to know what is wrong
			users = append(users, notify.UserID(r.text("/to/users/"+strconv.Itoa(i), v)))
		}
	})
	return users
}

// seconds reads a duration. One too long for a time.Duration is as good as the
// longest, and nothing shorter than a second passes Draft.Check.
func (r *reader) seconds(pointer string, v jsontext.Value) time.Duration {
	n := r.integer(pointer, v)
	if n < 1 {
		return -1 // told from an absent one, which is 0
	}
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
}

// fingerprint hashes what the body says: the order of members, white space, the
// spelling of strings, and nulls that mean absent make no difference. Numbers
// are compared by their digits.
func fingerprint(v jsontext.Value) [sha256.Size]byte {
	h := sha256.New()
	var said []string
	var r reader
	add := func(prefix string) func(string, jsontext.Value) {
		return func(name string, v jsontext.Value) {
			c := jsontext.Value(bytes.Clone(v))
			// Cannot fail: strict has passed it.
			_ = c.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false))
			said = append(said, prefix+name+"\x00"+string(c)+"\x00")
		}
	}
	r.members("", v, func(name string, v jsontext.Value) {
		if name == "to" {
			r.members("/to", v, add("to/"))
			return
		}
		add("")(name, v)
	})
	slices.Sort(said)
	for _, s := range said {
		h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
