package wire

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// Draft reads the body of POST /notify, or the data of a publish command. Its error is
// of kind ErrMalformed if the body is not strict JSON, and of kind ErrInvalid, with the
// faults, if members are unknown or have the wrong type. Draft.Check checks their
// values.
func Draft(body []byte) (notify.Draft, error) {
	v, err := parse(body)
	if err != nil {
		return notify.Draft{}, err
	}
	return draft(v)
}

// BatchItem is one item of a batch: a draft, or the error in it.
type BatchItem struct {
	Draft notify.Draft
	Err   error
}

// Batch reads the body of POST /notify/batch. An error in one item is in that item; the
// returned error is about the body as a whole.
func Batch(body []byte) ([]BatchItem, error) {
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	var r reader
	batch := make([]BatchItem, 0, min(bytes.Count(v, []byte(`"to":`)), notify.MaxBatch)) // an estimate
	recipients := 0
	item := func(v strict.Value) {
		if len(batch) > notify.MaxBatch {
			return // batchBounds reports that there are too many
		}
		d, err := draft(v)
		recipients += len(d.Users)
		batch = append(batch, BatchItem{d, err})
	}
	r.Members(v, "notifications", func(name string, v strict.Value) bool {
		if name == "notifications" && v != nil {
			r.Items(v, item)
		}
		return name == "notifications"
	})
	if !r.Failed() {
		r.batchBounds(len(batch), recipients)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return batch, nil
}

// batchBounds reports a batch that is empty or has too many items or recipients.
func (r *reader) batchBounds(items, recipients int) {
	const at = "notifications"
	switch {
	case items == 0:
		r.FaultAt(at, "must have at least one item")
	case items > notify.MaxBatch:
		r.FaultAt(at, "must have at most %d items", notify.MaxBatch)
	case recipients > notify.MaxBatchRecipients:
		r.FaultAt(at, "must have at most %d recipients in all", notify.MaxBatchRecipients)
	}
}

// draftMembers are the members of a draft, for people.
const draftMembers = "to, type, title, body, data, url, actions, ttl, priority, ephemeral, silent, receipt, collapse_key and deliver_at"

// draft reads one draft.
func draft(v strict.Value) (notify.Draft, error) {
	var r reader
	d := notify.Draft{Priority: notify.PriorityNormal, Source: v}
	r.Members(v, draftMembers, func(name string, v strict.Value) bool {
		switch name {
		case "to":
			r.to(&d, v)
		case "ttl":
			r.seconds(&d.TTL, v)
		case "priority":
			r.Text((*string)(&d.Priority), v)
		case "ephemeral":
			r.Bool(&d.Ephemeral, v)
		case "silent":
			r.Bool(&d.Silent, v)
		case "receipt":
			r.Bool(&d.Receipt, v)
		case "collapse_key":
			r.filled(&d.CollapseKey, v)
		case "deliver_at":
			r.moment(&d.DeliverAt, v)
		default:
			return r.shown(&d, name, v)
		}
		return true
	})
	if err := r.Err(); err != nil {
		return d, err
	}
	return d, nil
}

// shown reads a member that receivers show or follow.
func (r *reader) shown(d *notify.Draft, name string, v strict.Value) (known bool) {
	switch name {
	case "type":
		r.Text(&d.Type, v)
	case "title":
		r.Text(&d.Title, v)
	case "body":
		r.Text(&d.Body, v)
	case "data":
		r.Object(&d.Data, v)
	case "url":
		r.filled(&d.URL, v)
	case "actions":
		r.actions(&d.Actions, v)
	default:
		return false
	}
	return true
}

// actions reads a list of actions, of which Draft.Check allows notify.MaxActions. An empty list
// is not nil.
func (r *reader) actions(to *[]notify.Action, v strict.Value) {
	if v == nil {
		return
	}
	*to = []notify.Action{}
	r.Items(v, func(v strict.Value) {
		if len(*to) > notify.MaxActions || r.Failed() {
			return // Draft.Check reports that there are too many
		}
		var a notify.Action
		r.Members(v, "title and url", func(name string, v strict.Value) bool {
			switch name {
			case "title":
				r.Text(&a.Title, v)
			case "url":
				r.Text(&a.URL, v)
			default:
				return false
			}
			return true
		})
		*to = append(*to, a)
	})
}

// to reads the recipients of a draft.
func (r *reader) to(d *notify.Draft, v strict.Value) {
	if v == nil {
		return
	}
	r.Members(v, "users, topics, all and except", func(name string, v strict.Value) bool {
		switch name {
		case "users":
			names(r, &d.Users, notify.MaxUsers, v)
		case "all":
			r.True(&d.All, v)
		case "topics":
			names(r, &d.Topics, notify.MaxTopics, v)
		case "except":
			names(r, &d.Except, notify.MaxExcept, v)
		default:
			return false
		}
		return true
	})
	given := 0
	for _, is := range [...]bool{d.Users != nil, d.Topics != nil, d.All} {
		if is {
			given++
		}
	}
	if v.Kind() == '{' && !r.Failed() && given != 1 {
		r.Fault("must have exactly one of users, topics and all")
	}
}

// names reads a list of names, of which Draft.Check allows most. An empty list is not
// nil.
func names[T ~string](r *reader, to *[]T, most int, v strict.Value) {
	if v == nil {
		return
	}
	*to = []T{}
	r.Items(v, func(v strict.Value) {
		if len(*to) <= most && !r.Failed() { // one more than allowed is enough for Draft.Check
			var name string
			r.Text(&name, v)
			*to = append(*to, T(name))
		}
	})
}

// filled reads a string that must not be empty.
func (r *reader) filled(to *string, v strict.Value) {
	if r.Text(to, v); v.Kind() == '"' && *to == "" {
		r.Fault("must not be empty")
	}
}

// maxDuration replaces longer durations, which a time.Duration may not hold. No retention
// is as long.
const maxDuration = 200 * 365 * 24 * time.Hour

// seconds reads a duration in whole seconds. A number below 1 becomes a negative
// duration, which Draft.Check rejects.
func (r *reader) seconds(to *time.Duration, v strict.Value) {
	if v == nil {
		return
	}
	n, whole := r.whole(v)
	switch {
	case !whole:
	case n < 1:
		*to = -1 // 0 means absent
	default:
		*to = time.Duration(min(n, int64(maxDuration/time.Second))) * time.Second
	}
}

// whole reads an integer as JSON Schema defines it: a number without a fraction, in any
// notation. A number out of the range of int64 becomes the nearest int64.
func (r *reader) whole(v strict.Value) (whole int64, ok bool) {
	if v.Kind() == '0' {
		if n := readNumber(v); n.isWhole() {
			return n.int64(), true
		}
	}
	r.Fault("must be a whole number")
	return 0, false
}

// Fingerprint hashes the values in the source of a draft. Sources that differ only in
// the order of members, in white space, in the notation of strings and numbers, or in
// nulls, which mean absent, have the same fingerprint. Numbers are compared exactly: 1
// equals 1.0, and 1e400 differs from 1e401.
func Fingerprint(source []byte) [sha256.Size]byte {
	var values []string
	var add func(prefix string, members strict.Value)
	add = func(prefix string, members strict.Value) {
		for name, v := range strict.Members(members) {
			switch {
			case v.Kind() == 'n':
			case prefix == "" && name == "to": // its nulls mean absent too
				add("to/", v)
			default:
				c := v.Clone()
				// Cannot fail, because package strict has parsed it.
				_ = c.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false))
				values = append(values, prefix+name+"\x00"+string(numbersOf(c))+"\x00")
			}
		}
	}
	add("", source)
	slices.Sort(values)
	h := sha256.New()
	for _, v := range values {
		h.Write([]byte(v))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
