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

// Draft reads the body of POST /notify, or the data of a publish command. The
// error is of kind ErrMalformed if the body is no strict JSON, and of kind
// ErrInvalid, with every fault that was found, if its members are unknown or
// of the wrong type. Whether their values keep the rules is for Draft.Check.
func Draft(body []byte) (notify.Draft, error) {
	v, err := parse(body)
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
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	var r reader
	batch := make([]BatchItem, 0, min(bytes.Count(v, []byte(`"to":`)), notify.MaxBatch)) // room for about all
	recipients := 0
	item := func(v strict.Value) {
		if len(batch) > notify.MaxBatch {
			return // enough to know that they are too many
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

func draft(v strict.Value) (notify.Draft, error) {
	var r reader
	d := notify.Draft{Priority: notify.PriorityNormal, Source: v}
	r.Members(v, "to, type, title, body, data, ttl, priority, ephemeral, collapse_key and deliver_at", func(name string, v strict.Value) bool {
		switch name {
		case "to":
			r.to(&d, v)
		case "type":
			r.Text(&d.Type, v)
		case "title":
			r.Text(&d.Title, v)
		case "body":
			r.Text(&d.Body, v)
		case "data":
			r.Object(&d.Data, v)
		case "ttl":
			r.seconds(&d.TTL, v)
		case "priority":
			r.Text((*string)(&d.Priority), v)
		case "ephemeral":
			r.Bool(&d.Ephemeral, v)
		case "collapse_key":
			r.filled(&d.CollapseKey, v)
		case "deliver_at":
			r.moment(&d.DeliverAt, v)
		default:
			return false
		}
		return true
	})
	if err := r.Err(); err != nil {
		return d, err
	}
	return d, nil
}

func (r *reader) to(d *notify.Draft, v strict.Value) {
	if v == nil {
		return
	}
	r.Members(v, "users, topics and all", func(name string, v strict.Value) bool {
		switch name {
		case "users":
			names(r, &d.Users, notify.MaxUsers, v)
		case "all":
			r.True(&d.All, v)
		case "topics":
			names(r, &d.Topics, notify.MaxTopics, v)
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
		r.Fault("must hold exactly one of users, topics and all")
	}
}

// names reads a list of names into to: not nil, even if it is empty.
func names[T ~string](r *reader, to *[]T, most int, v strict.Value) {
	if v == nil {
		return
	}
	*to = []T{}
	r.Items(v, func(v strict.Value) {
		if len(*to) <= most && !r.Failed() { // else it is known what is wrong
			var name string
			r.Text(&name, v)
			*to = append(*to, T(name))
		}
	})
}

// filled reads a string that says nothing if it is empty.
func (r *reader) filled(to *string, v strict.Value) {
	if r.Text(to, v); v.Kind() == '"' && *to == "" {
		r.Fault("must not be empty")
	}
}

// longest is as good as any longer duration: no retention is so long.
const longest = 200 * 365 * 24 * time.Hour

// seconds reads a duration in whole seconds. Nothing shorter than a second passes
// Draft.Check.
func (r *reader) seconds(to *time.Duration, v strict.Value) {
	if v == nil {
		return
	}
	n, whole := r.whole(v)
	switch {
	case !whole:
	case n < 1:
		*to = -1 // told from an absent one, which is 0
	default:
		*to = time.Duration(min(n, int64(longest/time.Second))) * time.Second
	}
}

// whole reads an integer as JSON Schema defines it: a number without a fraction,
// whatever its spelling. A number beyond an int64 becomes the nearest one.
func (r *reader) whole(v strict.Value) (whole int64, ok bool) {
	if v.Kind() == '0' {
		if n := readNumber(v); n.isWhole() {
			return n.int64(), true
		}
	}
	r.Fault("must be a whole number")
	return 0, false
}

// Fingerprint hashes what the source of a draft says: the order of members,
// white space, the spelling of strings and of numbers, and nulls that mean absent
// make no difference. Numbers are exact: 1 equals 1.0, and 1e400 differs from 1e401.
func Fingerprint(source []byte) [sha256.Size]byte {
	var said []string
	var say func(prefix string, members strict.Value)
	say = func(prefix string, members strict.Value) {
		for name, v := range strict.Members(members) {
			switch {
			case v.Kind() == 'n':
			case prefix == "" && name == "to": // whose nulls do not count either
				say("to/", v)
			default:
				c := v.Clone()
				// Cannot fail: strict has passed it.
				_ = c.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false))
				said = append(said, prefix+name+"\x00"+string(numbersOf(c))+"\x00")
			}
		}
	}
	say("", source)
	slices.Sort(said)
	h := sha256.New()
	for _, s := range said {
		h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
