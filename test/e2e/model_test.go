package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/model"
)

// TestInboxAgainstModel compares every answer with the model under random publishes, marks,
// recalls, deferred notifications, lost connections and resumes: receipts, counts, lists, and
// the state that each device has derived from the events that it received.
//
// With several nodes, every request and every connection goes to the next one, which may be
// some milliseconds behind. A change is answered when the node has applied it, and therefore all
// changes before it, so its answer must be right at once. So must be the events after a cursor:
// a connection waits until the node has what the cursor has. A list must be right after a
// moment: it is read again until it is, or the test fails.
func TestInboxAgainstModel(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Requests, c.Marks, c.Commands = 0, 0, 1<<20 })
	s.eager = true
	all := &modelled{s: s, model: model.New(), titles: map[string]string{}}
	rapid.Check(t, func(rt *rapid.T) {
		if all.passed == sequences && !all.failed {
			return
		}
		all.failed = true // until it has passed
		w := newWorld(rt, all)
		defer w.end()
		rt.Repeat(w.actions())
		all.failed = false
		all.passed++
	})
}

// sequences is the number of random sequences. The state grows from one to the next.
const sequences = 20

// modelled is a service and the model of its state. All random sequences share it; each has
// users and topics of its own.
type modelled struct {
	s       *service
	model   *model.Model
	titles  map[string]string // by ID
	entries notify.Sequence   // number of entries of the model
	begun   int               // random sequences
	passed  int               // the same
	failed  bool              // a sequence has failed, and rapid looks for a shorter one
}

// apply applies an entry to the model.
func (m *modelled) apply(e notify.Entry) notify.Verdict {
	m.entries++
	return m.model.Apply(m.entries, time.Now(), e)
}

// world is the users of one random sequence.
type world struct {
	*modelled
	number  int
	devices []*device
}

func newWorld(t *rapid.T, m *modelled) *world {
	m.begun++
	w := &world{modelled: m, number: m.begun}
	received := map[string]orders{}
	for _, d := range []struct {
		name, user string
		topics     []notify.TopicPattern
	}{
		{"ada's phone", "ada", []notify.TopicPattern{"team", "project.*"}},
		{"ada's laptop", "ada", []notify.TopicPattern{"team"}},
		{"grace's tablet", "grace", []notify.TopicPattern{"project.b"}},
	} {
		reader := notify.Reader{User: notify.UserID(w.name(d.user))}
		for _, topic := range d.topics {
			reader.Topics = append(reader.Topics, notify.TopicPattern(w.name(string(topic))))
		}
		if received[d.user] == nil {
			received[d.user] = orders{}
		}
		signed := sign(m.s.t, auth.Claims{User: reader.User, Topics: reader.Topics, TTL: time.Hour})
		w.devices = append(w.devices, &device{world: w, name: d.name, reader: reader, token: signed, received: received[d.user]})
	}
	for _, d := range w.devices {
		d.open(t)
	}
	return w
}

// name returns the name of a user or topic of this sequence.
func (w *world) name(of string) string { return fmt.Sprint("s", w.number, ".", of) }

func (w *world) end() {
	for _, d := range w.devices {
		d.leave()
	}
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"publish":         w.publish,
		"publish another": w.publish,
		"publish several": func(t *rapid.T) { w.publish(t); w.publish(t); w.publish(t) },
		"publish later":   w.publishLater,
		"publish again":   w.publishAgain,
		"mark":            w.mark,
		"mark by socket":  w.markBySocket,
		"mark all":        w.markAll,
		"recall":          w.recall,
		"off or on":       w.prefer,
		"lose":            func(t *rapid.T) { w.some(t).leave() },
		"resume":          func(t *rapid.T) { w.some(t).resume(t) },
		"open":            func(t *rapid.T) { w.some(t).open(t) },
		"list":            w.checkLists,
		"":                w.checkDevices,
	}
}

func (w *world) some(t *rapid.T) *device {
	return w.devices[rapid.IntRange(0, len(w.devices)-1).Draw(t, "device")]
}

// drawn returns a random draft without a time of delivery, and its entry.
func (w *world) drawn(t *rapid.T) (map[string]any, notify.Publish) {
	title := fmt.Sprint("n", len(w.titles)+1)
	e := notify.Publish{Audience: notify.AudienceUser}
	to := map[string]any{}
	switch rapid.IntRange(0, 7).Draw(t, "to") {
	case 0:
		e.Audience, to["all"] = notify.AudienceAll, true
	case 1, 2, 3:
		e.Audience = notify.AudienceTopic
		for _, topic := range rapid.SampledFrom([][]string{{"team"}, {"project.a"}, {"project.b"}, {"other"}, {"project.b", "other", "team"}}).Draw(t, "topics") {
			e.Topics = append(e.Topics, notify.Topic(w.name(topic)))
		}
		to["topics"] = e.Topics
	default:
		for _, user := range rapid.SampledFrom([][]string{{"ada"}, {"ada", "grace"}, {"grace"}}).Draw(t, "users") {
			e.Users = append(e.Users, notify.UserID(w.name(user)))
		}
		to["users"] = e.Users
	}
	d := map[string]any{"to": to, "type": rapid.SampledFrom([]string{"test", "comment.created"}).Draw(t, "type"), "title": title}
	if e.CollapseKey = rapid.SampledFrom([]string{"", "", "", "k1", "k2"}).Draw(t, "collapse key"); e.CollapseKey != "" && len(e.Topics) < 2 {
		e.CollapseKey = w.name(e.CollapseKey)
		d["collapse_key"] = e.CollapseKey
	} else {
		e.CollapseKey = ""
	}
	return d, e
}

func (w *world) publish(t *rapid.T) {
	d, e := w.drawn(t)
	w.post(t, d, e, "")
}

// publishLater publishes for a time that is in an hour, or soon: then it waits until the
// notification is delivered.
func (w *world) publishLater(t *rapid.T) {
	d, e := w.drawn(t)
	soon := rapid.Bool().Draw(t, "soon")
	e.DeliverAt = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	if soon {
		e.DeliverAt = time.Now().Add(100 * time.Millisecond).UTC().Truncate(time.Millisecond)
	}
	d["deliver_at"] = e.DeliverAt.Format("2006-01-02T15:04:05.000Z07:00")
	id := w.post(t, d, e, "")
	if soon {
		ref := notify.Deferred{At: e.DeliverAt, Sequence: w.entries}
		w.awaitDelivery(t, id)
		w.apply(notify.Release{Ref: ref})
	}
}

// awaitDelivery waits until a deferred notification is delivered. Lists and events do not tell, because all
// devices may have turned it off.
func (w *world) awaitDelivery(t *rapid.T, id string) {
	operator := "Bearer " + token(w.s.t, "operator", notify.ScopeAdmin)
	for deadline := time.Now().Add(timeout); ; <-time.After(time.Millisecond) {
		a := w.s.do(http.MethodGet, "/notifications/"+id, "", "Authorization", operator)
		var trace struct{ State notify.Status }
		if err := json.Unmarshal(a.body, &trace); err != nil {
			t.Fatal(err)
		}
		if a.StatusCode == http.StatusOK && trace.State != notify.StatusDeferred {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not delivered: %d %s", id, a.StatusCode, a.body)
		}
	}
}

// publishAgain publishes twice with one idempotency key, and once another notification.
func (w *world) publishAgain(t *rapid.T) {
	d, e := w.drawn(t)
	key := fmt.Sprint("key-", w.number, "-", w.entries)
	w.post(t, d, e, key)
	w.post(t, d, e, key)
	other, otherEntry := w.drawn(t)
	other["title"] = "another one"
	w.post(t, other, otherEntry, key)
}

// post publishes, compares the answer with the verdict of the model, and returns the ID of the notification.
func (w *world) post(t *rapid.T, d map[string]any, e notify.Publish, key string) string {
	body, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var headers []string
	if key != "" {
		headers = []string{"Idempotency-Key", key}
		e.Key = notify.Key{Name: sha256.Sum256([]byte(key)), Fingerprint: sha256.Sum256(body)}
	}
	a := w.s.post("/notify", string(body), headers...)
	var receipt struct {
		ID         string
		Recipients int
		Duplicate  bool
	}
	if err := json.Unmarshal(a.body, &receipt); err != nil {
		t.Fatal(err)
	}
	e.ID, e.Keep = receipt.ID, w.s.cfg.PerUser
	e.Content = fmt.Appendf(nil, `"id":%q,"type":%q`, receipt.ID, d["type"])
	v := w.apply(e)
	if v.Err != nil {
		if a.StatusCode != http.StatusUnprocessableEntity || a.problem(w.s.t) != "key-reused" {
			t.Fatalf("published %s: %d %s, want %v", body, a.StatusCode, a.body, v.Err)
		}
		return ""
	}
	got := notify.Receipt{ID: receipt.ID, Recipients: receipt.Recipients, Duplicate: receipt.Duplicate}
	if a.StatusCode != http.StatusAccepted || got != v.Receipt {
		t.Fatalf("published %s: %d %s, want %+v", body, a.StatusCode, a.body, v.Receipt)
	}
	w.titles[receipt.ID], _ = d["title"].(string)
	return receipt.ID
}

func verb(t *rapid.T) notify.Verb {
	return rapid.SampledFrom([]notify.Verb{notify.VerbSeen, notify.VerbRead, notify.VerbUnread, notify.VerbArchive}).Draw(t, "verb")
}

// someIDs returns IDs: of the reader, of others, or unknown.
func (w *world) someIDs(t *rapid.T) []string {
	known := append([]string{"0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c11"}, w.model.IDs()...)
	known = known[max(0, len(known)-20):]
	return rapid.SliceOfNDistinct(rapid.SampledFrom(known), 1, min(3, len(known)), rapid.ID[string]).Draw(t, "ids")
}

func (w *world) mark(t *rapid.T) {
	d, v, ids := w.some(t), verb(t), w.someIDs(t)
	d.mark(t, v, byID(ids...), notify.Mark{Reader: d.reader, Verb: v, IDs: ids})
}

// markAll marks everything up to what a list shows. The same node lists and marks, as for a
// page whose connection stays: another node might have less, and would mark less.
func (w *world) markAll(t *rapid.T) {
	d, v := w.some(t), verb(t)
	w.s.next()
	w.s.pinned = true // until the mark is answered
	defer func() { w.s.pinned = false }()
	items := d.checkList(t, notify.StateAll, 100)
	through := `{"all":true}`
	want := notify.Mark{Reader: d.reader, Verb: v, Through: w.entries}
	if len(items) > 0 && rapid.Bool().Draw(t, "up to an item") {
		i := rapid.IntRange(0, len(items)-1).Draw(t, "item")
		through = `{"through":"` + items[i].Cursor + `"}`
		want.Through = w.model.List(d.reader, &notify.Filter{State: notify.StateAll}, time.Now())[i].Sequence
	}
	d.mark(t, v, through, want)
}

func (w *world) markBySocket(t *rapid.T) {
	d, v, ids := w.some(t), verb(t), w.someIDs(t)
	if d.conn == nil {
		return
	}
	d.conn.send(fmt.Sprintf(`{"event":%q,"ref":"m","data":%s}`, v, byID(ids...)))
	w.apply(notify.Mark{Reader: d.reader, Verb: v, IDs: ids})
	for answered := false; !answered; {
		answered = d.read(t).Ref == "m"
	}
}

func (w *world) recall(t *rapid.T) {
	id := w.someIDs(t)[0]
	want := http.StatusNoContent
	if w.apply(notify.Recall{ID: id}).Err != nil {
		want = http.StatusNotFound
	}
	a := w.s.do(http.MethodDelete, "/notifications/"+id, "", "Authorization", "Bearer "+token(w.s.t, "operator", notify.ScopeAdmin))
	if a.StatusCode != want {
		t.Fatalf("recalled %s: %d %s, want %d", id, a.StatusCode, a.body, want)
	}
}

// checkLists compares all lists with the model.
func (w *world) checkLists(t *rapid.T) {
	limit := rapid.IntRange(1, 100).Draw(t, "limit")
	for _, d := range w.devices {
		for _, state := range []notify.InboxState{notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived, notify.StateAll} {
			d.checkList(t, state, limit)
		}
	}
}

// checkDevices waits until every connected device shows what the model has.
func (w *world) checkDevices(t *rapid.T) {
	for _, d := range w.devices {
		if d.conn == nil {
			continue
		}
		want := w.words(d.reader)
		for !d.live || !slices.Equal(d.words(), want) || d.counts != w.model.Counts(d.reader) {
			d.read(t)
		}
	}
}

// words are the notifications of a reader, newest first, each with its read state.
func (w *world) words(r notify.Reader) (all []string) {
	for _, it := range w.model.List(r, &notify.Filter{State: notify.StateAll}, time.Now()) {
		all = append(all, word(w.titles[it.ID()], !it.Seen.IsZero(), !it.Read.IsZero(), !it.Archived.IsZero()))
	}
	return all
}

func word(title string, seen, read, archived bool) string {
	words := []string{title}
	for is, name := range map[string]bool{"seen": seen, "read": read, "archived": archived} {
		if name {
			words = append(words, is)
		}
	}
	slices.Sort(words[1:])
	return strings.Join(words, " ")
}
