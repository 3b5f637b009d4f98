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
	item := func(_ string, v jsontext.Value) {
		if len(batch) > notify.MaxBatch {
			return // enough to know that they are too many
		}
		d, err := draft(v)
		recipients += len(d.Users)
		batch = append(batch, BatchItem{d, err})
	}
	r.members("", v, func(name string) func(string, jsontext.Value) {
		if name == "notifications" {
			return func(pointer string, v jsontext.Value) { r.items(pointer, v, item) }
		}
		return nil
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

func draft(v jsontext.Value) (notify.Draft, error) {
	var r reader
	d := notify.Draft{Priority: notify.PriorityNormal}
	r.members("", v, func(name string) func(string, jsontext.Value) {
		switch name {
		case "to":
			return func(pointer string, v jsontext.Value) { r.to(&d, pointer, v) }
		case "type":
			return r.text(&d.Type)
		case "title":
			return r.text(&d.Title)
		case "body":
			return r.text(&d.Body)
		case "data":
			return r.object(&d.Data)
		case "ttl":
			return r.seconds(&d.TTL)
		case "priority":
			return r.text((*string)(&d.Priority))
		case "ephemeral":
			return r.truth(&d.Ephemeral)
		case "collapse_key", "deliver_at":
			return r.later
		}
		return nil
	})
	if len(r.faults) > 0 {
		return d, notify.Invalid(r.faults...)
	}
	d.Fingerprint = fingerprint(v)
	return d, nil
}

func (r *reader) to(d *notify.Draft, pointer string, v jsontext.Value) {
	r.members(pointer, v, func(name string) func(string, jsontext.Value) {
		switch name {
		case "users":
			return func(pointer string, v jsontext.Value) { r.users(d, pointer, v) }
		case "all":
			return func(pointer string, v jsontext.Value) {
				if r.truth(&d.All)(pointer, v); !d.All {
					r.fault(pointer, "must be true or absent")
				}
			}
		case "topics":
			return r.later
		}
		return nil
	})
	if v.Kind() == '{' && len(r.faults) == 0 && d.All == (d.Users != nil) {
		r.fault(pointer, "must hold exactly one of users and all")
	}
}

func (r *reader) users(d *notify.Draft, pointer string, v jsontext.Value) {
	d.Users = []notify.UserID{}
	r.items(pointer, v, func(pointer string, v jsontext.Value) {
		if len(d.Users) <= notify.MaxUsers && len(r.faults) == 0 { // else it is known what is wrong
			var u notify.UserID
			r.text((*string)(&u))(pointer, v)
			d.Users = append(d.Users, u)
		}
	})
}

// seconds reads a duration. One too long for a time.Duration is as good as the
// longest, and nothing shorter than a second passes Draft.Check.
func (r *reader) seconds(to *time.Duration) func(string, jsontext.Value) {
	return func(pointer string, v jsontext.Value) {
		n, err := strconv.ParseInt(string(v), 10, 64)
		switch {
		case v.Kind() != '0' || err != nil:
			r.fault(pointer, "must be a whole number")
		case n < 1:
			*to = -1 // told from an absent one, which is 0
		default:
			*to = time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
		}
	}
}

// fingerprint hashes what the body says: the order of members, white space, the
// spelling of strings, and nulls that mean absent make no difference. Numbers
// are compared by their digits.
func fingerprint(v jsontext.Value) [sha256.Size]byte {
	h := sha256.New()
	var said []string
	var r reader
	var add func(string, jsontext.Value)
	add = func(pointer string, v jsontext.Value) {
		if pointer == "/to" {
			r.members(pointer, v, func(string) func(string, jsontext.Value) { return add })
			return
		}
		c := jsontext.Value(bytes.Clone(v))
		// Cannot fail: strict has passed it.
		_ = c.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false))
		said = append(said, pointer+"\x00"+string(c)+"\x00")
	}
	r.members("", v, func(string) func(string, jsontext.Value) { return add })
	slices.Sort(said)
	for _, s := range said {
		h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
